"""The operating system's voice: a program that stands in for it, and what becomes of its failures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from aigw_notebook.audio.clip import Clip
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.engines import system_voice
from aigw_notebook.gateway.engines.system_voice import PROGRAMS, Program, SystemVoice, find_program

SPEAKS = (
    "import math, struct, sys, wave\n"
    "text = sys.stdin.read() or open(sys.argv[2]).read()\n"
    "with wave.open(sys.argv[3], 'wb') as sound:\n"
    "    sound.setparams((1, 2, 16000, 0, 'NONE', ''))\n"
    "    quiet = [0] * 1600\n"
    "    loud = [int(9000 * math.sin(n / 5)) for n in range(800 * len(text))]\n"
    "    sound.writeframes(struct.pack(f'<{len(loud) + 3200}h', *quiet, *loud, *quiet))\n"
)


def program(code: str, *, reads_stdin: bool = False) -> Program:
    def arguments(pace: float, text: str, sound: str) -> Sequence[str]:
        return "-c", code, str(pace), text, sound

    return Program(command=sys.executable, licence="test", arguments=arguments, reads_stdin=reads_stdin)


@pytest.mark.parametrize("reads_stdin", [False, True])
def test_a_program_speaks_in_pieces_with_places(reads_stdin: bool) -> None:
    text = "One two, three. Four 🙂!"
    sounds = list(SystemVoice(program(SPEAKS, reads_stdin=reads_stdin)).say(text, sample_rate=8_000))
    ends = [each.end_char for each in sounds]
    assert ends == sorted(ends) and ends[-1] == len(text) and len(set(ends)) > 10
    assert max(len(each.pcm16) for each in sounds) <= 2 * 8_000 // 10
    silence = next(number for number, end in enumerate(ends) if end > 0)
    assert sum(len(each.pcm16) for each in sounds[:silence]) >= 2 * 8_000 * 0.06


def test_the_same_text_gives_the_same_bytes() -> None:
    voice = SystemVoice(program(SPEAKS))
    assert b"".join(voice.speak("Again.", sample_rate=16_000)) == b"".join(voice.speak("Again.", sample_rate=16_000))


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("raise SystemExit(3)", "did not speak: CalledProcessError"),
        ("pass", "made no sound"),
        ("import threading; threading.Event().wait()", "did not speak within"),
    ],
)
def test_a_program_that_fails_is_named_and_the_text_is_not(
    code: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_voice, "TIMEOUT_S", 0.5 if "wait" in code else 20.0)
    with pytest.raises(RuntimeError, match=complaint) as caught:
        list(SystemVoice(program(code)).say("secret words", sample_rate=8_000))
    assert "secret" not in str(caught.value)


def test_no_text_stands_on_a_command_line(tmp_path: Path) -> None:
    for each in PROGRAMS:
        arguments = each.arguments(1.2, str(tmp_path / "text"), str(tmp_path / "sound"))
        assert all(isinstance(argument, str) for argument in arguments)
        assert each.reads_stdin or str(tmp_path / "text") in arguments or "AIGW_SPEECH_TEXT" in " ".join(arguments)


def test_without_any_program_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_program() is None
    with pytest.raises(ConfigurationError, match="install one of flite, espeak-ng"):
        SystemVoice()


def test_it_says_what_it_is() -> None:
    about = SystemVoice(program(SPEAKS)).about
    assert about.job == "voice" and "not the provider's" in about.note and about.install


def test_its_sound_is_sound() -> None:
    made = b"".join(SystemVoice(program(SPEAKS)).speak("Hello.", sample_rate=16_000))
    assert Clip.from_any((16_000, made_samples(made))).first_audible_ms() is not None


def made_samples(pcm16: bytes) -> list[float]:
    return [int.from_bytes(pcm16[at : at + 2], "little", signed=True) / 32768 for at in range(0, len(pcm16), 2)]
