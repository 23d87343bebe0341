"""The generated tables of what providers are and can do, made from their `Provider` values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby

from aigw_notebook import providers as registry
from aigw_notebook.audio.formats import AudioFormat
from aigw_notebook.providers import Capabilities, KeyAuth, Provider, SessionSettings

__all__ = ["CAPABILITIES", "GROUPS", "all_forms", "facts", "formats", "key", "keys", "providers", "table"]

NONE = "–"

GROUPS: dict[str, dict[str, str]] = {
    "in_and_out": {
        "text_in": "reads",
        "audio_in": "hears",
        "image_in": "sees",
        "text_out": "writes",
        "audio_out": "speaks",
        "image_out": "draws",
        "answers": "answers",
    },
    "turns": {
        "server_turns": "ends turns by silence",
        "semantic_turns": "by meaning",
        "manual_turns": "by `commit`",
        "keeps_speaking": "can speak on when spoken to",
        "answers_on_request": "can leave a turn unanswered",
        "transcription": "transcribes the user",
        "cancel": "can be stopped",
        "truncation": "forgets what was not heard",
    },
    "conversation": {
        "instructions": "instructions",
        "tools": "tools",
        "out_of_band": "asides",
        "editable_history": "history can be edited",
        "seed_history": "begins with a history",
        "seed_audio": "with its sound",
        "seed_tools": "with its calls",
        "resumption": "can be resumed",
        "word_timings": "times of words",
        "session_limit_s": "longest session",
    },
    "tuning": {
        "temperature": "temperature",
        "speed": "speed",
        "max_output_tokens": "longest answer",
        "live_update": "settings of a running session",
        "live_settings": "which of them",
    },
    "sound": {"input_formats": "hears", "output_formats": "speaks", "voices": "voices"},
}
"""The tables of capabilities: each field of `Capabilities` stands in one, under its heading."""


def all_forms() -> Iterator[tuple[str, Provider]]:
    """Every registered provider and variant, with what one writes to have it."""
    for name in registry.BUILT_IN:
        yield from registry.forms(name).items()


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def formats(known: Iterable[AudioFormat]) -> str:
    """Audio formats in a few words: `pcm16` 24, 16 kHz."""
    found = []
    for encoding, group in groupby(sorted(known, key=lambda f: f.encoding), key=lambda f: f.encoding):
        rates = sorted({f.sample_rate for f in group})
        found.append(f"{encoding} {', '.join(f'{rate / 1000:g}' for rate in rates)} kHz")
    return "; ".join(found) or NONE


def _voices(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _cell(can: Capabilities, field: str) -> str:
    value = getattr(can, field)
    if isinstance(value, bool):
        return "yes" if value else NONE
    if field in ("input_formats", "output_formats"):
        return formats(value)
    if field == "voices":
        return _voices(value) or NONE
    if field == "session_limit_s":
        return f"{value // 60} min" if value else "not told"
    return ", ".join(f"`{name}`" for name in value) or ("all" if can.live_update else NONE)


def capabilities(group: str) -> str:
    """One of the tables of `GROUPS`, a row for each provider and variant."""
    columns = GROUPS[group]
    rows = ([f"`{name}`", *(_cell(form.capabilities, field) for field in columns)] for name, form in all_forms())
    return table(["", *columns.values()], rows)


CAPABILITIES: dict[str, Callable[[], str]] = {group: partial(capabilities, group) for group in GROUPS}


def providers() -> str:
    """The providers with their variants in short, each with a link to its page."""
    able = {"audio_out": "speaks", "text_out": "writes", "image_out": "draws", "audio_in": "hears", "image_in": "sees"}
    able["tools"] = "tools"
    rows = []
    for name, form in all_forms():
        can = form.capabilities
        turns = ", ".join(n for n in ("server", "semantic", "manual") if getattr(can, f"{n}_turns")) or NONE
        page = f"[{form.title}](docs/providers/{form.name}.md)"
        rows.append([page, f"`{name}`", *(_cell(can, field) for field in able), turns])
    return table(["", "write", *able.values(), "ends of turns"], rows)


# ---------------------------------------------------------------------------------------------- one provider's page


def facts(name: str) -> str:
    """Addresses, models, voices and formats of a provider and its variants, one column each."""
    forms = registry.forms(name)
    rows: dict[str, Callable[[Provider], str]] = {
        "is": lambda p: p.title,
        "default model": lambda p: f"`{p.default_model}`" if p.default_model else NONE,
        "other models known here": lambda p: ", ".join(f"`{m}`" for m in p.models if m != p.default_model) or NONE,
        "voices known here": lambda p: ", ".join(f"`{v}`" for v in p.capabilities.voices) or NONE,
        "hears": lambda p: formats(p.capabilities.input_formats),
        "speaks": lambda p: formats(p.capabilities.output_formats),
        "below the gateway": lambda p: f"`{_address(p)}`",
        "its own address": lambda p: f"`{p.direct_url}`" if p.direct_url else "none: only through a gateway",
    }
    made = ([title, *(make(form) for form in forms.values())] for title, make in rows.items())
    return table(["", *(f"`{written}`" for written in forms)], made)


def _address(provider: Provider) -> str:
    settings = SessionSettings(model=provider.default_model)
    query = provider.query(settings)
    shown = "&".join(f"{name}={value if isinstance(value, str) else ','.join(value)}" for name, value in query.items())
    path = provider.route + provider.tail(settings)
    return f"{path or '/'}?{shown}" if shown else path or "/"


def key(name: str) -> str:
    """Where a provider's key is looked for, and how it travels."""
    auth = registry.get(name).auth
    if not auth.env:
        return "* No key travels with the address: the gateway's own token opens the session."
    lines = [f"* Looked for in `api_key=`, then in {' and '.join(f'`{each}`' for each in auth.env)}."]
    lines.append(f"* Through a gateway: {_travels(auth)}.")
    if registry.get(name).direct_url:
        lines.append(f"* With `direct=True`: {_travels(auth.direct or auth)}.")
    return "\n".join(lines)


def keys() -> str:
    """How the key of each provider travels, through a gateway and past it."""
    head = ["provider", "variable", "through a gateway", "with `direct=True`"]
    return table(head, (_key_row(registry.get(name)) for name in registry.BUILT_IN))


def _key_row(provider: Provider) -> list[str]:
    auth = provider.auth
    page = f"[{provider.title}](providers/{provider.name}.md)"
    if not auth.env:
        return [page, NONE, "the gateway's token alone", NONE]
    direct = _travels(auth.direct or auth) if provider.direct_url else "not possible"
    return [page, " or ".join(f"`{name}`" for name in auth.env), _travels(auth), direct]


def _travels(auth: KeyAuth) -> str:
    ways = {
        "header": auth.header and f"header `{auth.header[0]}: {auth.header[1].format(key='<key>')}`",
        "query": auth.query and f"parameter `{auth.query}`",
        "subprotocol": auth.subprotocol and f"subprotocol `{auth.subprotocol}<key>`",
    }
    return ", or ".join(f'{how} (`auth="{way}"`)' for way, how in ways.items() if how)
