"""A session's words and sound as files that others open: text, tables, subtitles, a stereo recording."""

from __future__ import annotations

from .files import SUFFIXES, export, text_of

__all__ = ["SUFFIXES", "export", "text_of"]
