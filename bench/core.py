"""What every measure shares: goals, rows, interleaved rounds, a server in its own process.

A figure of one machine says little about another; a ratio of two, taken in one run, carries over. So contestants take
turns inside each round, the median round counts, and nothing here fails a build.
"""

from __future__ import annotations

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
    """One line of the table. Without a `reference` figure the goal is held against `ours` itself."""

    measure: str
    unit: str
    ours: float | None
    goal: Goal
    reference_name: str = ""
    reference: float | None = None
    note: str = ""

    @property
    def figure(self) -> float | None:
        """What the goal is about: the ratio, or our own figure where the goal is an absolute one."""
        if self.ours is None or (self.reference_name and self.reference is None):
            return None
        return self.ours / self.reference if self.reference else self.ours

    def cells(self) -> tuple[str, ...]:
        figure = self.figure
        return (
            self.measure,
            _number(self.ours, self.unit),
            f"{self.reference_name}: {_number(self.reference, self.unit)}" if self.reference_name else "–",
            "–" if figure is None else f"{figure:.3g}",
            str(self.goal),
            "not measured" if figure is None else self.goal.met(figure),
            self.note,
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


def interleaved(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median sample of each contestant; they take turns, so that a slow minute hits all of them."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, sample in contestants.items():
            samples[name].append(sample())
    return {name: median(values) for name, values in samples.items()}


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
