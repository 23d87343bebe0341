"""What may stand on a `%%aigw` line, and what a cell's options mean: its files, its session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from .providers import Provider

__all__ = ["FORMATS", "OPTIONS", "check_question", "read_files", "usual_session"]

FORMATS = ("markdown", "text", "json", "records", "audio")

OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("provider",), {"nargs": "?", "help": "provider, or provider:model; none: the default provider"}),
    (("-m", "--model"), {"help": "the model, as the provider names it"}),
    (("--voice",), {"help": "the voice that speaks the answer"}),
    (("--instructions",), {"help": "what the model should be and do, for the whole session"}),
    (("--tools",), {"help": "names of functions the model may call, with commas between: --tools weather,clock"}),
    (("--into",), {"metavar": "NAME", "help": "also bind the turn to this variable"}),
    (("--session",), {"metavar": "NAME", "help": "the session to go on with; by default each provider has one"}),
    (("--new",), {"action": "store_true", "help": "begin a new conversation"}),
    (("--no-audio",), {"action": "store_true", "help": "have the answer written, not spoken"}),
    (("--audio",), {"metavar": "FILE.wav", "help": "ask with this recording"}),
    (("--image",), {"metavar": "FILE.png", "help": "show the model this picture"}),
    (("--record",), {"metavar": "FILE.aigw", "help": "save the session to this file after the answer"}),
    (("--replay",), {"metavar": "FILE.aigw", "help": "play this recorded session instead of asking a model"}),
    (("--raw",), {"action": "store_true", "help": "leave {{...}} in the prompt as it is"}),
    (
        ("--max-cost",),
        {"type": float, "metavar": "USD", "help": "close the session when it has cost more than so many US dollars"},
    ),
    (("--timeout",), {"type": float, "metavar": "SECONDS", "help": "longest silence before the turn is given up"}),
    (
        ("-f", "--format"),
        {
            "choices": FORMATS,
            "default": "markdown",
            "metavar": "FORMAT",
            "help": f"how the finished turn is shown: {', '.join(FORMATS)}",
        },
    ),
)
"""What may stand on a `%%aigw` line, as arguments of `argparse`."""


def read_files(options: Any) -> dict[str, Any]:
    """The recording and the picture that a cell names. Raises `ConfigurationError` for one that cannot be read."""
    from pathlib import Path

    from .audio.clip import Clip
    from .session.user_input import encoded_image

    readers: dict[str, Callable[[Path], Any]] = {"audio": Clip.from_any, "image": encoded_image}
    named = {name: getattr(options, name) for name in readers}
    return {name: readers[name](Path(path).expanduser()) for name, path in named.items() if path}


def usual_session(options: Any) -> str:
    """The name of the session of a cell that names none: the provider's, or that of its variant for the model."""
    from . import providers

    chosen = providers.get(options.provider).for_model(options.model)
    return next(name for name, form in providers.forms(options.provider).items() if form is chosen)


def check_question(provider: Provider, *, text: str | None, audio: Any = None, image: Any = None, **_: Any) -> None:
    """Nothing, where the provider takes such a question; else what `ask` would raise, before anything is shown."""
    from .session.needs import check_question as check

    check(provider, text, audio, (image,) if image is not None else ())
