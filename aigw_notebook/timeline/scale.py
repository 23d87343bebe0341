"""From time to place: the axis, and how many shapes a lane may have whatever the session's length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from .story import Message, Span

__all__ = ["Bar", "Scale", "bars", "merged"]

NARROW_PX = 4.0
"""A narrower span next to another becomes one with it."""

GAP_PX = 1.0

STEPS_MS = (
    *(n * 10.0**e for e in (1, 2, 3) for n in (1, 2, 5)),
    *(n * 1_000.0 for n in (10, 15, 30)),
    *(n * 60_000.0 for n in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440)),
)

MOST_TICKS = 10


class Scale(NamedTuple):
    """`length_ms` of time on `width_px`, from `left_px` on."""

    length_ms: float
    left_px: float
    width_px: float

    def x(self, t_ms: float) -> float:
        """The place of a moment; what lies outside stands at the edge."""
        share = min(max(t_ms / self.length_ms, 0.0), 1.0)
        return round(self.left_px + share * self.width_px, 2)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Times for the axis, at most `MOST_TICKS` and the origin, each with its name."""
        step = next((s for s in STEPS_MS if self.length_ms / s <= MOST_TICKS), self.length_ms / MOST_TICKS)
        for number in range(int(self.length_ms / step) + 1):
            yield number * step, _name(number * step, step)


def _name(t_ms: float, step_ms: float) -> str:
    if step_ms < 10_000 and t_ms < 60_000:
        return f"{t_ms / 1_000:g} s"
    minutes, rest = divmod(t_ms / 1_000, 60)
    return f"{int(minutes)}:{rest:02.0f}"


class Bar(NamedTuple):
    """All messages of one direction within one step of the network lane."""

    x: float
    sent: bool
    messages: int
    bytes: int


def bars(messages: Iterable[Message], scale: Scale, *, step_px: float = 3.0) -> list[Bar]:
    """The messages as bars, each `step_px` wide."""
    sums: dict[tuple[int, bool], tuple[int, int]] = {}
    for message in messages:
        place = (int((scale.x(message.t_ms) - scale.left_px) / step_px), message.sent)
        count, size = sums.get(place, (0, 0))
        sums[place] = (count + 1, size + message.bytes)
    return [Bar(scale.left_px + at * step_px, sent, *total) for (at, sent), total in sorted(sums.items())]


def merged(spans: Iterable[Span], scale: Scale) -> list[Span]:
    """The spans without overlap, in order; what would be too narrow to see apart is one span that counts its parts.

    Each is at least `NARROW_PX` wide or `GAP_PX` from the next, so that a lane has a bounded number of shapes.
    """
    groups: list[list[Span]] = []
    end_px = float("-inf")
    for span in sorted(spans):
        start_px, stop_px = scale.x(span.start_ms), scale.x(span.end_ms)
        begin_px = max(start_px, end_px)
        near = start_px - end_px < GAP_PX
        narrow = stop_px - begin_px < NARROW_PX or (bool(groups) and _width(groups[-1], scale) < NARROW_PX)
        if groups and near and narrow:
            groups[-1].append(span)
        else:
            after_ms = groups[-1][-1].end_ms if groups else span.start_ms
            groups.append([span._replace(start_ms=max(span.start_ms, after_ms)) if near and groups else span])
        end_px = max(end_px, stop_px)
    return [_one(group) for group in groups]


def _width(group: list[Span], scale: Scale) -> float:
    return scale.x(max(span.end_ms for span in group)) - scale.x(group[0].start_ms)


def _one(group: list[Span]) -> Span:
    first = group[0]
    if len(group) == 1:
        return first
    titles = "\n".join(span.title for span in islice(group, 5))
    more = f"\n… {len(group)} in all" if len(group) > 5 else ""
    end_ms = max(span.end_ms for span in group)
    return Span(first.start_ms, end_ms, _kind(group), f"{len(group)} ×", titles + more)


def _kind(group: list[Span]) -> str:
    """How a merged span looks: as its parts do, and as a failure where one of them is. Merged waits are no wait."""
    kinds = {span.kind for span in group}
    if kinds == {"wait"}:
        return "waits"
    return "failed" if "failed" in kinds else group[0].kind
