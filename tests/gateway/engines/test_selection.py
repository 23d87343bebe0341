"""Which engines are chosen, what they say of themselves, and what choosing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.engines import default_engines, selection
from aigw_notebook.gateway.engines.base import EngineInfo, Engines, Listener, Said, Voice
from aigw_notebook.gateway.engines.hibari import HibariVoice
from aigw_notebook.gateway.engines.selection import CHOICES, VARIABLE, Choice, choose_engines, voice_hint
from aigw_notebook.gateway.engines.tones import ToneListener, ToneVoice


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if the engines of these names were not installed."""
    fewer = {
        part: tuple(
            Choice(choice.name, (lambda: False) if choice.name in names else choice.is_installed, choice.make)
            for choice in choices
        )
        for part, choices in CHOICES.items()
    }
    monkeypatch.setattr(selection, "CHOICES", fewer)


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(default_engines().voice, ToneVoice) and isinstance(default_engines().listener, ToneListener)
    monkeypatch.setenv(VARIABLE, "auto")
    assert isinstance(default_engines().voice, HibariVoice)
    assert not isinstance(default_engines().listener, ToneListener)


def test_one_job_may_be_named_and_the_others_are_chosen_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "whisper", "pocketsphinx")
    engines = choose_engines(" Hibari ")
    assert isinstance(engines.voice, HibariVoice) and isinstance(engines.listener, ToneListener)


def test_without_extras_the_placeholders_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "hibari", "system", "whisper", "pocketsphinx")
    assert isinstance(choose_engines("auto").voice, ToneVoice)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'parrot'.*hibari.*system"):
        choose_engines("parrot")


def test_a_large_engine_is_made_once() -> None:
    assert choose_engines("hibari").voice is choose_engines("hibari").voice


@pytest.mark.parametrize("wanted", ["placeholder", "auto"])
def test_every_engine_says_what_it_is(wanted: str) -> None:
    rows = choose_engines(wanted).describe()
    assert [row["job"] for row in rows] == ["answers", "voice", "listening"]
    for row in rows:
        assert all(row[name] for name in ("engine", "version", "licence", "note")), row
    if wanted == "placeholder":
        assert "[local]" in rows[1]["for better"] and "[local-stt]" in rows[2]["for better"]


def test_an_engine_without_a_description_has_its_name_told() -> None:
    usual = choose_engines("placeholder")

    class Odd:
        def answer(self, *parts: object, **options: object) -> object:
            raise NotImplementedError

    engines = Engines(responder=Odd(), voice=usual.voice, listener=usual.listener)  # type: ignore[arg-type]
    assert engines.describe()[0]["engine"] == "Odd"
    engines.warm_up()


def test_the_hint_is_for_those_who_did_not_ask_for_chords(monkeypatch: pytest.MonkeyPatch) -> None:
    assert voice_hint() == ""
    monkeypatch.setenv(VARIABLE, "auto")
    assert voice_hint() == ""
    without(monkeypatch, "hibari", "system")
    assert "aigw-notebook[local]" in voice_hint()


def test_what_was_not_made_out_is_put_down_to_the_listener_in_use() -> None:
    unheard = [Said(role="user", text="")]
    deaf, hearing = (choose_engines(names).responder.answer(unheard).text for names in ("local", "local,whisper"))
    assert "only the placeholder voice" in choose_engines("local,placeholder").responder.answer(unheard).text
    assert "only the placeholder voice" not in hearing and "say it again" in hearing
    assert deaf == hearing  # the best that is installed understands speech


def test_a_listener_that_hears_at_once_listens_all_the_same() -> None:
    class Counting(Listener):
        about = EngineInfo(job="listening", name="counting", version="1", licence="none")

        def transcribe(self, pcm16: bytes, *, sample_rate: int) -> str:
            return f"{len(pcm16)} bytes at {sample_rate}"

    hearing = Counting().listen(sample_rate=8_000)
    assert hearing.hear(b"1234") == "" and hearing.hear(b"56") == ""
    assert hearing.finish() == "6 bytes at 8000"


def test_a_voice_gives_its_sound_alone_too() -> None:
    voice: Voice = ToneVoice()
    sounds = list(voice.say("hello you", sample_rate=8_000))
    assert [each.pcm16 for each in sounds] == list(voice.speak("hello you", sample_rate=8_000))
    assert [each.end_char for each in sounds] == [3, 6, 9]


def test_importing_the_package_or_a_gateway_loads_no_engine() -> None:
    code = (
        "import sys, aigw_notebook; from aigw_notebook import LocalGateway\n"
        "heavy = {'onnxruntime', 'hibari', 'ctranslate2', 'tokenizers', 'pocketsphinx'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
