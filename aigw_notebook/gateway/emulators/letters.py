"""Which letters of a text are spoken when: known at the ends of the voice's pieces, weighed out between them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from ..engines.weights import letter_weights

__all__ = ["Letters"]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A run of letters between two times that the voice told."""

    first: int
    begin_ms: float
    ends_ms: list[float]


class Letters:
    """The letters of one spoken text. `add` is told of the sound as it is made, the others tell of what was made.

    Letters that the voice passes over in no time share the time of what comes with them. Silence between two letters
    belongs to the mark or space between them, if there is one.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.made_ms = 0.0
        self._made, self._made_by_ms = 0, 0.0
        self._told = 0
        self._stretches: list[_Stretch] = []

    def add(self, duration_ms: float, end_char: int) -> None:
        """More sound was made; by its end the first `end_char` letters are spoken."""
        begin_ms, self.made_ms = self.made_ms, self.made_ms + duration_ms
        end = min(end_char, len(self.text))
        if end <= self._made:
            return
        weights = letter_weights(self.text[self._made : end])
        scale = duration_ms / sum(weights)
        ends_ms = [begin_ms + scale * weight for weight in accumulate(weights)]
        pauses = not self.text[self._made].isalnum()
        self._stretches.append(_Stretch(self._made, self._made_by_ms if pauses else begin_ms, ends_ms))
        self._made, self._made_by_ms = end, self.made_ms

    def spoken_by(self, time_ms: float) -> int:
        """How many letters have been spoken in full."""
        at = bisect_right(self._stretches, time_ms, key=lambda stretch: stretch.begin_ms) - 1
        if at < 0:
            return 0
        return self._stretches[at].first + bisect_right(self._stretches[at].ends_ms, time_ms + 1e-6)

    def until(self, sent_ms: float, *, last: bool) -> tuple[int, int]:
        """The first letter that was not given yet, and the one after the last that is spoken by `sent_ms`."""
        first = self._told
        self._told = max(first, len(self.text) if last else self.spoken_by(sent_ms))
        return first, self._told

    def piece(self, before_ms: float, sent_ms: float, *, last: bool) -> tuple[list[str], list[int], list[int]]:
        """The letters that begin between the two times; when, from `before_ms` on; how long each lasts.

        The piece that is the last has all letters that are left, and none of them outlasts it.
        """
        first, end = self._told, len(self.text) if last else self._told
        while end < self._made and self._span_ms(end)[0] < sent_ms:
            end += 1
        self._told = end
        spans = [self.span_ms(at, at + 1, sent_ms if last else self.made_ms) for at in range(first, end)]
        begins = [max(0, round(begin - before_ms)) for begin, _ in spans]
        return list(self.text[first:end]), begins, [round(stop - begin) for begin, stop in spans]

    def span_ms(self, first: int, end: int, sent_ms: float) -> tuple[float, float]:
        """When the letters from `first` to before `end` are spoken, none of them after `sent_ms`."""
        return min(self._span_ms(first)[0], sent_ms), min(self._span_ms(end - 1)[1], sent_ms)

    def _span_ms(self, at: int) -> tuple[float, float]:
        """Beginning and end of one letter; one that was not made yet begins and ends with the sound."""
        if at >= self._made:
            return self.made_ms, self.made_ms
        stretch = self._stretches[bisect_right(self._stretches, at, key=lambda stretch: stretch.first) - 1]
        number = at - stretch.first
        return stretch.ends_ms[number - 1] if number else stretch.begin_ms, stretch.ends_ms[number]
