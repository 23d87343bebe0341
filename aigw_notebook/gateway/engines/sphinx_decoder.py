"""PocketSphinx's decoder, called so that other threads go on while it works.

The package's own decoder holds the interpreter for as long as a call takes, up to half a second at the end of a long
turn: every conversation of the gateway would stand still. Its library has the same functions in C, which are called
past the interpreter where the package lets them be found; elsewhere the package's own decoder does the work.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from ctypes import CDLL, POINTER, c_char_p, c_int, c_int32, c_long, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Decoder", "new_decoder"]

MODEL = {"hmm": "en-us/en-us", "lm": "en-us/en-us.lm.bin", "dict": "en-us/cmudict-en-us.dict"}
"""What the decoder is made of, in the package's folder `model`."""

_HANDLE, _TEXT, _NOTHING = c_void_p, c_char_p, None

_FUNCTIONS: dict[str, tuple[Any, Sequence[Any]]] = {
    "ps_config_init": (_HANDLE, [c_void_p]),
    "ps_config_set_str": (_HANDLE, [_HANDLE, _TEXT, _TEXT]),
    "ps_config_set_int": (_HANDLE, [_HANDLE, _TEXT, c_long]),
    "ps_config_free": (c_int, [_HANDLE]),
    "ps_init": (_HANDLE, [_HANDLE]),
    "ps_free": (c_int, [_HANDLE]),
    "ps_set_cmn": (c_int, [_HANDLE, _TEXT]),
    "ps_start_utt": (c_int, [_HANDLE]),
    "ps_process_raw": (c_int, [_HANDLE, _TEXT, c_size_t, c_int, c_int]),
    "ps_end_utt": (c_int, [_HANDLE]),
    "ps_get_hyp": (_TEXT, [_HANDLE, POINTER(c_int32)]),
}
"""Name → what it returns and takes, as in `pocketsphinx.h` of version 5."""


class Decoder(Protocol):
    """One turn at a time: begin, the audio, end; the words at any time."""

    def begin(self, levels: str) -> None:
        """Begin a turn. `levels` is what to expect of the microphone."""

    def process(self, pcm16: bytes) -> None:
        """Take more of the turn, at the rate it was made for."""

    def end(self) -> None:
        """That was all of it: look through it once more."""

    def words(self) -> str:
        """The words so far."""


def new_decoder(sample_rate: int) -> Decoder:
    """A decoder with the package's English model; it is made in some 0.3 s, and takes 100 MB."""
    library = _library()
    return _PackagesOwn(sample_rate) if library is None else _Free(library, sample_rate)


@cache
def _library() -> CDLL | None:
    """The package's library with its C functions; None where they are hidden."""
    from pocketsphinx import _pocketsphinx

    try:
        library = CDLL(_pocketsphinx.__file__)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library


class _Free:
    """Leaves the interpreter to others while it works."""

    def __init__(self, library: CDLL, sample_rate: int) -> None:
        self._library = library
        self._begun = False
        config = library.ps_config_init(None)
        for name, value in {**_model_paths(), "loglevel": "FATAL"}.items():
            library.ps_config_set_str(config, name.encode(), value.encode())
        library.ps_config_set_int(config, b"samprate", sample_rate)
        self._handle = library.ps_init(config)
        library.ps_config_free(config)
        if not self._handle:
            raise RuntimeError("PocketSphinx could not load its model")
        weakref.finalize(self, library.ps_free, self._handle).atexit = False

    def begin(self, levels: str) -> None:
        self.end()  # if the turn before was left without one
        self._library.ps_set_cmn(self._handle, levels.encode())
        self._library.ps_start_utt(self._handle)
        self._begun = True

    def process(self, pcm16: bytes) -> None:
        self._library.ps_process_raw(self._handle, pcm16, len(pcm16) // 2, 0, 0)

    def end(self) -> None:
        if self._begun:
            self._library.ps_end_utt(self._handle)
            self._begun = False

    def words(self) -> str:
        found = self._library.ps_get_hyp(self._handle, None)
        return found.decode(errors="replace").strip() if found else ""


def _model_paths() -> dict[str, str]:
    import pocketsphinx

    folder = Path(pocketsphinx.__file__).parent / "model"
    return {name: str(folder / path) for name, path in MODEL.items()}


class _PackagesOwn:
    """The package's Python decoder: the same words, while everything else waits."""

    def __init__(self, sample_rate: int) -> None:
        from pocketsphinx import Decoder

        self._decoder: Any = Decoder(samprate=sample_rate, loglevel="FATAL")
        self._begun = False

    def begin(self, levels: str) -> None:
        self.end()
        self._decoder.set_cmn(levels)
        self._decoder.start_utt()
        self._begun = True

    def process(self, pcm16: bytes) -> None:
        self._decoder.process_raw(pcm16)

    def end(self) -> None:
        if self._begun:
            self._decoder.end_utt()
            self._begun = False

    def words(self) -> str:
        found = self._decoder.hyp()
        return str(found.hypstr).strip() if found is not None else ""
