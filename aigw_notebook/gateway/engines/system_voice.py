"""The operating system's own voice, by its program: flite, espeak-ng, say on macOS, the speech service on Windows.

The program is started for each phrase, without a shell; the text reaches it on standard input or in a file that only
this user can read, never on its command line, which other users can see.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from ...audio.clip import Clip
from ...errors import ConfigurationError
from .base import EngineInfo
from .phrases import Phrase, PhraseVoice, estimated_marks
from .timbre import Timbre

__all__ = ["PROGRAMS", "Program", "SystemVoice", "find_program"]

TIMEOUT_S = 20.0
"""The longest time for one phrase, and for the question of a program's version."""

WORDS_PER_MINUTE = 150
INSTALL = "pip install 'aigw-notebook[local]'"

POWERSHELL = (
    "Add-Type -AssemblyName System.Speech;"
    "$voice = New-Object System.Speech.Synthesis.SpeechSynthesizer;"
    "$voice.Rate = [int]$env:AIGW_SPEECH_RATE;"
    "$voice.SetOutputToWaveFile($env:AIGW_SPEECH_SOUND);"
    "$voice.Speak([IO.File]::ReadAllText($env:AIGW_SPEECH_TEXT));"
    "$voice.Dispose()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program that speaks. `arguments` gets the pace and the files of the text and of the sound."""

    command: str
    licence: str
    arguments: Callable[[float, str, str], Sequence[str]]
    reads_stdin: bool = False
    version: Sequence[str] = ()
    platform: str = ""


def _flite(pace: float, text: str, sound: str) -> Sequence[str]:
    return "-voice", "slt", "--setf", f"duration_stretch={1 / pace:.3f}", "-f", text, "-o", sound


def _espeak(pace: float, text: str, sound: str) -> Sequence[str]:
    return "--stdin", "-v", "en-us", "-g", "2", "-s", str(round(WORDS_PER_MINUTE * pace)), "-w", sound


def _say(pace: float, text: str, sound: str) -> Sequence[str]:
    rate = str(round(WORDS_PER_MINUTE * pace))
    return "-r", rate, "--file-format=WAVE", "--data-format=LEI16@22050", "-f", text, "-o", sound


def _powershell(pace: float, text: str, sound: str) -> Sequence[str]:
    return "-NoProfile", "-NonInteractive", "-Command", POWERSHELL


PROGRAMS = (
    Program(command="flite", licence="BSD-like", arguments=_flite, version=("--version",)),
    Program(command="espeak-ng", licence="GPL-3.0", arguments=_espeak, reads_stdin=True, version=("--version",)),
    Program(command="say", licence="part of macOS", arguments=_say, platform="darwin"),
    Program(command="powershell", licence="part of Windows", arguments=_powershell, platform="win32"),
)
"""In the order in which they are looked for."""


def find_program() -> Program | None:
    """The first program that is here; None: there is none."""
    here = (program for program in PROGRAMS if program.platform in ("", sys.platform))
    return next((program for program in here if shutil.which(program.command)), None)


class SystemVoice(PhraseVoice):
    """What the operating system speaks with. Its word times are estimates: it tells none.

    Raises `ConfigurationError` where no `program` is given and none is found.
    """

    def __init__(self, program: Program | None = None) -> None:
        found = program or find_program()
        path = shutil.which(found.command) if found is not None else None
        if found is None or path is None:
            names = ", ".join(each.command for each in PROGRAMS if not each.platform)
            raise ConfigurationError(f"no program that speaks was found: install one of {names}, or {INSTALL}")
        self._program = found
        self._path = path

    @cached_property
    def about(self) -> EngineInfo:  # type: ignore[override]
        """The program, with its own word for its version."""
        program = self._program
        return EngineInfo(
            job="voice", name=program.command, version=self._version(), licence=program.licence, install=INSTALL
        )

    def phrase(self, text: str, *, timbre: Timbre, pace: float) -> Phrase:
        """The sound of one phrase. Raises `RuntimeError` when the program fails or takes too long."""
        with TemporaryDirectory(prefix="aigw-") as folder:
            source, target = Path(folder) / "text.txt", Path(folder) / "sound.wav"
            source.write_text(text, encoding="utf-8")
            self._run(self._program.arguments(pace, str(source), str(target)), text, source, target, pace)
            clip = Clip.from_any(target)
        samples = clip.to_numpy()
        return Phrase(samples, clip.sample_rate, estimated_marks(samples, clip.sample_rate, text))

    def _version(self) -> str:
        if not self._program.version:
            return "the system's"
        try:
            asked = [self._path, *self._program.version]
            told = subprocess.run(asked, capture_output=True, timeout=TIMEOUT_S, check=False).stdout.decode(
                errors="replace"
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        found = re.search(r"\d+\.\d[\w.]*", told)
        return found.group() if found else "unknown"

    def _run(self, arguments: Sequence[str], text: str, source: Path, target: Path, pace: float) -> None:
        program = self._program
        told = {"AIGW_SPEECH_TEXT": source, "AIGW_SPEECH_SOUND": target, "AIGW_SPEECH_RATE": round(5 * (pace - 1))}
        try:
            subprocess.run(
                [self._path, *arguments],
                input=text.encode() if program.reads_stdin else b"",
                env={**os.environ, **{name: str(value) for name, value in told.items()}},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT_S,
                check=True,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{program.command} did not speak within {TIMEOUT_S:.0f} s") from None
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(f"{program.command} did not speak: {type(error).__name__}") from None
        if not target.exists():
            raise RuntimeError(f"{program.command} made no sound")
