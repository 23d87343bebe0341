"""Which file is written how: by its suffix."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from ..encodable import encodable
from ..errors import ConfigurationError
from ..tables import SCHEMAS, Table
from ..transcript import Transcript
from .documents import to_html, to_markdown
from .subtitles import to_srt, to_vtt

__all__ = ["SUFFIXES", "export", "text_of"]


def _turns(transcript: Transcript) -> Table:
    return Table.of(SCHEMAS["turns"], transcript.records)


_TEXTS: dict[str, Callable[[Transcript], str]] = {
    ".md": to_markdown,
    ".html": to_html,
    ".jsonl": lambda transcript: _turns(transcript).to_jsonl(),
    ".csv": lambda transcript: _turns(transcript).to_csv(),
    ".srt": to_srt,
    ".vtt": to_vtt,
}

SUFFIXES = (*_TEXTS, ".parquet")
"""The suffixes that `export` knows."""


def text_of(transcript: Transcript, suffix: str) -> str:
    """The transcript in the text format of that suffix. Raises `ConfigurationError` for one that is no text format."""
    if suffix not in _TEXTS:
        raise ConfigurationError(f"a transcript is not written as {suffix!r}: use {', '.join(SUFFIXES)}")
    return encodable(_TEXTS[suffix](transcript))


def export(transcript: Transcript, path: str | PathLike[str]) -> Path:
    """Write the transcript in the format of the file's suffix and return its path. An existing file is replaced.

    The tabular formats hold the records. Raises `ConfigurationError` for an unknown suffix, `MissingExtra` for Parquet
    without pyarrow and Polars.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() == ".parquet":
        return _turns(transcript).to_parquet(target)
    text = text_of(transcript, target.suffix.lower())
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    return target
