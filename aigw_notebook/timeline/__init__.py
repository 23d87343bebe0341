"""A session as a picture of its time: who spoke, what was heard, where one waited and who broke in."""

from __future__ import annotations

from .picture import Timeline

__all__ = ["Timeline"]
