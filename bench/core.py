"""What every measure shares: goals, rows, interleaved rounds, a server in its own process.

A figure of one machine says little about another; a ratio of two, taken in one run, carries over. So contestants take
turns inside each round, the median round counts, and nothing here fails a build.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure should reach: `firm` is the promise, `stretch` the wish. `higher` says which way is better."""

    firm: float
    stretch: float | None = None
    higher: bool = False

    def met(self, figure: float) -> str:
        """ "stretch", "firm" or "missed"."""
        if self.stretch is not None and self._reaches(figure, self.stretch):
            return "stretch"
        return "firm" if self._reaches(figure, self.firm) else "missed"

    def _reaches(self, figure: float, limit: float) -> bool:
        return figure >= limit if self.higher else figure <= limit

    def __str__(self) -> str:
        sign = "≥" if self.higher else "≤"
        wish = "" if self.stretch is None else f" ({self.stretch:g})"
        return f"{sign} {self.firm:g}{wish}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. `figure` is what the goal is about: a ratio, or our own value."""

    measure: str
    unit: str
    goal: Goal
    ours: float
    figure: float | None
    reference_name: str = ""
    reference: float | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        return (
            self.measure,
            _number(self.ours, self.unit),
            f"{self.reference_name}: {_number(self.reference, self.unit)}" if self.reference_name else "–",
            "–" if self.figure is None else f"{self.figure:.3g}",
            str(self.goal),
            "not measured" if self.figure is None else self.goal.met(self.figure),
            self.note,
        )


OURS, THEIRS = "ours", "theirs"


def absolute(measure: str, unit: str, goal: Goal, value: float, note: str = "") -> Row:
    """A row whose goal is about our own value."""
    return Row(measure=measure, unit=unit, goal=goal, ours=value, figure=value, note=note)


def relative(
    measure: str, unit: str, goal: Goal, samples: Mapping[str, list[float]], reference_name: str, note: str = ""
) -> Row:
    """A row whose goal is about a ratio: the median of the rounds' own ratios, which a change of pace in between
    hardly touches. Without samples of the reference it stays open."""
    ours, theirs = samples[OURS], samples.get(THEIRS)
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True)) if theirs else None
    return Row(
        measure=measure,
        unit=unit,
        goal=goal,
        ours=median(ours),
        figure=ratio,
        reference_name=reference_name,
        reference=median(theirs) if theirs else None,
        note=note,
    )


HEADER = ("measure", "ours", "reference", "figure", "goal: firm (stretch)", "reached", "note")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "absent"
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table with aligned columns."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def interleaved(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """One sample of each contestant a round; they take turns, so that a slow minute hits all of them."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, sample in contestants.items():
            samples[name].append(sample())
    return samples


@contextmanager
def one_core() -> Iterator[None]:
    """Keeps this process, and those it starts, on one core for the block, where the system can.

    A round trip between two idle cores is mostly the time to wake one up, and differs from run to run.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def installed(package: str, pinned: str) -> str | None:
    """The name to show for a reference: with its version, and a remark where it is not the pinned one. None: absent."""
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
    return f"{package} {version}" if version == pinned else f"{package} {version} (pinned: {pinned})"


def absent(package: str, pinned: str) -> str:
    """The name to show for a reference that is not installed."""
    return f"{package}=={pinned} is not installed"


@contextmanager
def server(module: str, *args: str) -> Iterator[int]:
    """Runs a server module in its own process for the block; gives the port it prints first."""
    process = subprocess.Popen([sys.executable, "-m", module, *args], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


def p50(values: list[float]) -> float:
    """The median."""
    return median(values)
