"""A session's log from the session's side: what heads it, and the wait until a turn is safe in it."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ..recording import Header

if TYPE_CHECKING:
    from ..lines import Log
    from .core import SessionCore

__all__ = ["KEPT_S", "header_of", "until_kept"]

log = logging.getLogger("aigw_notebook")

KEPT_S = 1.0
"""How long the end of a turn waits for its log: a disk that is slower than this must not hold up a conversation."""


def header_of(core: SessionCore) -> Header:
    """What heads the session's log."""
    return Header(
        session_id=core.session_id,
        provider=core.provider.name,
        model=core.settings.model,
        where=core.where,
        answers=core.provider.capabilities.answers,
        started_at=core.transcript.started_at,
        package_version=_version(),
        parent=core.seed.parent,
        parent_turn=core.seed.at,
        ids_seed=core.ids_seed,
    )


@cache
def _version() -> str:
    try:
        return version("aigw-notebook")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return ""


async def until_kept(lines: Log) -> bool:
    """Return when all lines so far are where they are kept, or `KEPT_S` later; whether they are."""
    kept = lines.kept()
    if kept is None or kept.done():
        return True
    waiting = asyncio.wrap_future(kept)
    done, _ = await asyncio.wait([waiting], timeout=KEPT_S)
    if not done:
        waiting.cancel()  # the log counts those who did not wait for it
        log.warning("the log is slow: a turn was given back before it was written; see session.log")
    return bool(done)
