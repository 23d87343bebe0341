"""What the local answerer can do, skill by skill, in the order in which they are asked."""

from __future__ import annotations

from .base import Asked, Skill
from .dates import tell_date
from .knowledge import know
from .memory import remember
from .spelling import count_and_spell
from .sums import work_out
from .talk import small_talk
from .telling import explain, perform
from .toolkit import explain_toolkit, guess_toolkit
from .units import convert_units

__all__ = ["GUESSES", "SKILLS", "Asked", "Skill"]

SKILLS: tuple[Skill, ...] = (
    perform,
    explain_toolkit,
    remember,
    small_talk,
    convert_units,
    count_and_spell,
    tell_date,
    work_out,
    explain,
    know,
)
"""Those that answer only what they know; the first that knows wins."""

GUESSES: tuple[Skill, ...] = (guess_toolkit,)
"""Those that may be wrong and say so, asked when no skill knows."""
