"""A session, or one turn of it, as a page that reads, plays and seeks with no kernel, no widget and no network."""

from __future__ import annotations

from .page import Page, page

__all__ = ["Page", "page"]
