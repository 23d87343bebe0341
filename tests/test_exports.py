"""A session's files: words are escaped in each, times are those at which one hears, sound lies at its place."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook import connect, events
from aigw_notebook.audio.clip import Clip
from aigw_notebook.audio.formats import PCM16_16K, PCM16_24K, AudioFormat
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.exports import SUFFIXES, export, text_of
from aigw_notebook.exports.cues import Cue, cues
from aigw_notebook.exports.placing import placed
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.portal import portal
from aigw_notebook.tables import SCHEMAS
from aigw_notebook.told import Told
from aigw_notebook.transcript import Transcript

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NASTY = '<img src=x onerror=alert(1)> & "--> 00:00:01,000" *bold* `code` [x](javascript:1)\n\n# head {\\an8}'


class Kept(Told):
    """A session that is over, of a transcript alone."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript

    @property
    def transcript(self) -> Transcript:
        return self._transcript


def tone(level: float, length_ms: float, format: AudioFormat) -> bytes:
    """Sound of one level, so that it is known again whatever its rate."""
    return np.full(round(length_ms * format.sample_rate / 1000), round(level * 32768), "<i2").tobytes()


@pytest.fixture
def transcript() -> Transcript:
    return Transcript(session_id="s1", provider="acme", model="m1", started_at=STARTED)


def spoken_turn(told: Transcript, number: int, at_ms: float, *, timings: bool = False) -> None:
    """A second of the user at 16 kHz, then two seconds of the model at 24 kHz that arrive at once."""
    turn = told.start_turn(at_ms)
    told.user_spoke(at_ms, at_ms + 300.0)
    told.receive(events.SpeechStarted(at_ms=0.0, item_id=f"u{number}"), at_ms + 300.0)
    told.user_audio(tone(0.25, 1_000, PCM16_16K), PCM16_16K, at_ms + 1_100.0)
    told.receive(events.InputCommitted(item_id=f"u{number}"), at_ms + 1_100.0)
    response, item = f"r{number}", f"a{number}"
    told.receive(events.ResponseStarted(response_id=response), at_ms + 1_200.0)
    sound = tone(0.5, 2_000, PCM16_24K)
    told.receive(events.AudioDelta(data=sound, format=PCM16_24K, response_id=response, item_id=item), at_ms + 1_500.0)
    text = "One two. Three four five."
    told.receive(events.OutputTranscript(text=text, response_id=response, item_id=item, final=True), at_ms + 1_510.0)
    if timings:
        words = tuple(text.split())
        starts = tuple(400.0 * n for n in range(len(words)))
        ends = tuple(start + 350.0 for start in starts)
        told.receive(
            events.WordTimings(words=words, start_ms=starts, end_ms=ends, response_id=response, item_id=item),
            at_ms + 1_520.0,
        )
    told.receive(events.InputTranscript(text="Say it.", item_id=f"u{number}", final=True), at_ms + 1_600.0)
    told.receive(events.ResponseDone(response_id=response), at_ms + 1_700.0)
    told.finish_turn(turn, "completed", at_ms + 1_700.0)


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway() as running:
        yield running


# --------------------------------------------------------------------------------------------------------- placing


def test_answers_play_one_after_the_other_and_as_long_as_they_were_heard(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 100.0)
    spoken_turn(transcript, 2, 1_900.0)
    transcript.receive(events.PlaybackInterrupted(item_id="a2", played_ms=700.0), 4_400.0)
    assert [(s.entry.role, s.audio_ref, s.start_ms, s.play_ms) for s in placed(transcript)] == [
        ("user", "a1", 100.0, 1_000.0),
        ("assistant", "a2", 1_600.0, 2_000.0),
        ("user", "a3", 1_900.0, 1_000.0),
        ("assistant", "a4", 3_600.0, 700.0),
    ]


def test_an_answer_that_was_cut_uncounted_plays_until_then(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(events.ResponseStarted(response_id="r"), 1.0)
    sound = tone(0.5, 2_000, PCM16_24K)
    transcript.receive(events.AudioDelta(data=sound, format=PCM16_24K, response_id="r", item_id="i"), 100.0)
    transcript.receive(events.ResponseDone(response_id="r", status="cancelled", reason="turn_detected"), 900.0)
    transcript.finish_turn(turn, "interrupted", 900.0)
    (sound_,) = placed(transcript)
    assert (sound_.start_ms, sound_.play_ms) == (100.0, 800.0)
    assert [row["kind"] for row in transcript.records] == ["audio", "interruption"]


def test_provider_and_player_tell_of_one_interruption(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 0.0)
    transcript.receive(events.ResponseStarted(response_id="r9"), 3_000.0)
    transcript.start_turn(3_000.0)
    transcript.receive(events.ResponseStarted(response_id="r9"), 3_001.0)
    sound = tone(0.5, 500, PCM16_24K)
    transcript.receive(events.AudioDelta(data=sound, format=PCM16_24K, response_id="r9", item_id="a9"), 3_100.0)
    transcript.receive(events.ResponseDone(response_id="r9", status="cancelled", reason="turn_detected"), 3_300.0)
    transcript.receive(events.PlaybackInterrupted(item_id="a9", played_ms=200.0), 3_310.0)
    marks = [row for row in transcript.records if row["kind"] == "interruption"]
    assert [(row["item_id"], row["heard_ms"]) for row in marks] == [("a9", 200.0)]


def test_what_was_heard_ends_with_the_last_word_that_was(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 0.0, timings=True)
    transcript.receive(events.PlaybackInterrupted(item_id="a1", played_ms=1_200.0), 2_800.0)
    answer = next(row for row in transcript.records if row["role"] == "assistant")
    assert answer["heard_text"] == "One two. Three"  # the third word ends at 1,150 ms


# ------------------------------------------------------------------------------------------------------------ cues


def test_told_times_are_kept_and_a_sentence_is_a_cue(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 100.0, timings=True)
    assert cues(transcript) == [
        Cue(100.0, 1_100.0, "user", "Say it.", False),
        Cue(1_600.0, 2_350.0, "assistant", "One two.", True),
        Cue(2_400.0, 3_550.0, "assistant", "Three four five.", True),
    ]


def test_untold_times_are_shares_of_the_sound(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 100.0)
    answer = [cue for cue in cues(transcript) if cue.role == "assistant"]
    assert [cue.text for cue in answer] == ["One two.", "Three four five."]
    assert not any(cue.told for cue in answer)
    assert (answer[0].start_ms, answer[-1].end_ms) == (1_600.0, 3_600.0)
    assert answer[0].end_ms == answer[1].start_ms == pytest.approx(1_600 + 2_000 * 8 / 24)


def test_characters_are_put_together_to_words(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 0.0)
    entry = next(e for e in transcript.entries if e.role == "assistant")
    for at, letter in enumerate("ab c."):  # each in an event of its own
        start = 10.0 * at
        entry.timings.append(
            events.WordTimings(words=(letter,), start_ms=(start,), end_ms=(start + 9,), unit="character")
        )
    (cue,) = (cue for cue in cues(transcript) if cue.role == "assistant")
    assert (cue.text, cue.start_ms, cue.end_ms) == ("ab c.", 1_500.0, 1_549.0)


@given(st.text(max_size=400))
def test_every_subtitle_file_is_well_formed(text: str) -> None:
    told = Transcript(session_id="s", provider="acme", model=None, started_at=STARTED)
    told.start_turn(0.0)
    told.user_said(text, 3_599_999.0)
    span = r"\d\d:\d\d:\d\d[.,]\d{3} --> \d\d:\d\d:\d\d[.,]\d{3}"
    srt, vtt = told.to_srt(), told.to_vtt()
    for block in filter(None, srt.split("\n\n")):
        assert re.fullmatch(rf"\d+\n{span}\nYou: [^\n<>{{}}]*\n?", block), block
    head, *blocks = vtt.split("\n\n")
    assert head.rstrip("\n") == "WEBVTT"
    for block in blocks:
        assert block.startswith("NOTE") or re.fullmatch(rf"\d+ estimated\n{span}\n<v You>[^\n<>]*</v>\n?", block), block


def test_vtt_says_which_times_are_estimated(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 100.0, timings=True)
    vtt = transcript.to_vtt()
    assert "\n\nNOTE\n" in vtt and "1 estimated\n00:00:00.100 --> 00:00:01.100\n<v You>Say it.</v>" in vtt
    assert "2\n00:00:01.600 --> 00:00:02.350\n<v Model>One two.</v>" in vtt


# ------------------------------------------------------------------------------------------------------- documents


@pytest.fixture
def nasty(transcript: Transcript) -> Transcript:
    turn = transcript.start_turn(0.0)
    transcript.user_said(NASTY, 0.0)
    transcript.receive(events.ResponseStarted(response_id="r"), 1.0)
    transcript.receive(events.TextDelta(text=NASTY, response_id="r", item_id="i"), 2.0)
    transcript.receive(events.ToolCall(call_id="c", name="<b>", arguments="```\n" + NASTY, response_id="r"), 3.0)
    transcript.receive(events.ToolFinished(call_id="c", name="<b>", output=NASTY, error="no"), 4.0)
    transcript.receive(events.ResponseDone(response_id="r", error_code="e", error_message=NASTY), 5.0)
    transcript.finish_turn(turn, "failed", 6.0)
    return transcript


def test_html_holds_no_tag_of_the_model(nasty: Transcript) -> None:
    page = nasty.to_html()
    tags = set(re.findall(r"<\s*/?\s*([a-z0-9!]+)", page.split("</style>")[1], re.IGNORECASE))
    assert tags <= {"head", "body", "html", "h1", "h2", "p", "strong", "section", "time", "details", "summary", "pre"}
    assert html.unescape(page).count(NASTY) == 5
    assert "<script" not in page and 'charset="utf-8"' in page


def test_markdown_shows_the_words_as_they_were(nasty: Transcript) -> None:
    text = nasty.to_markdown()
    said = [line for line in text.splitlines() if line.startswith(("**You", "**Model:"))]
    assert len(said) == 2
    for line in said:
        assert "<img" not in line.replace("\\<", "") and "`code" not in line.replace("\\`", "")
        assert re.sub(r"\\(.)", r"\1", line).split(":** ")[1].rstrip("\\") == NASTY.splitlines()[0]
    assert "\n# head" not in text.split("````")[0]
    assert text.count("\n````\n") == 2  # the fence is longer than that inside


def test_what_was_not_heard_is_marked(transcript: Transcript) -> None:
    spoken_turn(transcript, 1, 100.0)
    transcript.receive(events.PlaybackInterrupted(item_id="a1", played_ms=700.0), 2_400.0)
    assert "**Model:** One two\\. *(not heard:" in transcript.to_markdown()
    assert '<span class="unheard" title="not heard"> Three four five.</span>' in transcript.to_html()
    assert "You interrupted: after 0.7 s" in transcript.to_html()
    assert "Three" not in transcript.to_srt()


# ----------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_says_what_is_written(suffix: str, nasty: Transcript, tmp_path: Path) -> None:
    path = Kept(nasty).export(tmp_path / f"talk{suffix.upper()}")
    if suffix == ".parquet":
        assert next(iter(pd.read_parquet(path)["text"])) == NASTY
    else:
        assert path.read_bytes().decode() == text_of(nasty, suffix)
    if suffix == ".jsonl":
        assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == nasty.records


@pytest.mark.sessions
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_file_holds_a_credential(suffix: str, gateway: LocalGateway, tmp_path: Path) -> None:
    key = "sk-proj-planted0123456789abcdef0123456789abcdef"
    complaint = {"type": "error", "event_id": "e1", "error": {"type": "e", "code": None, "message": f"bad key {key}"}}
    with connect("openai", gateway=gateway, api_key=key, quiet=True) as session:

        async def complain() -> None:
            session.core._take(json.dumps(complaint))

        session.ask("Count to three.")
        portal().run(complain())
    assert "bad key" in session.transcript.to_markdown()
    assert key.encode() not in session.export(tmp_path / f"talk{suffix}").read_bytes()
    for name in SCHEMAS:
        assert key not in getattr(session.tables, name).to_jsonl()


def test_an_unknown_suffix_names_the_known_ones(nasty: Transcript, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"not written as '\.docx': use \.md"):
        export(nasty, tmp_path / "talk.docx")
    assert not (tmp_path / "talk.docx").exists()


# ----------------------------------------------------------------------------------------------------------- sound


def levels(samples: np.ndarray, rate: int, *at_ms: float) -> list[float]:
    """The levels at these times, of 20 ms each."""
    return [round(float(samples[int(t * rate / 1000) :][: rate // 50].mean()), 2) for t in at_ms]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_both_sides_lie_on_one_clock(suffix: str, transcript: Transcript, tmp_path: Path) -> None:
    spoken_turn(transcript, 1, 100.0)
    spoken_turn(transcript, 2, 1_900.0)
    transcript.receive(events.PlaybackInterrupted(item_id="a2", played_ms=700.0), 4_400.0)
    path = Kept(transcript).save_audio(tmp_path / f"talk.{suffix}")
    samples, rate = soundfile.read(path)
    assert (rate, samples.shape) == (24_000, (4_300 * 24, 2))
    left, right = samples.T
    assert levels(left, rate, 40, 500, 1_400, 2_400, 3_200) == [0.0, 0.25, 0.0, 0.25, 0.0]
    assert levels(right, rate, 800, 1_700, 3_500, 3_700, 4_250) == [0.0, 0.5, 0.5, 0.5, 0.5]


def test_one_side_is_one_channel(transcript: Transcript, tmp_path: Path) -> None:
    spoken_turn(transcript, 1, 100.0)
    clip = Clip.from_any(Kept(transcript).save_audio(tmp_path / "you.wav", sides="user"))
    assert (clip.sample_rate, clip.duration_ms) == (16_000, 1_100.0)


def test_sound_that_is_no_longer_kept_is_silence_of_its_length(transcript: Transcript, tmp_path: Path) -> None:
    spoken_turn(transcript, 1, 100.0)
    kept = Kept(transcript)
    kept.audio = lambda audio_ref: None  # type: ignore[method-assign]
    samples, rate = soundfile.read(kept.save_audio(tmp_path / "talk.wav"))
    assert len(samples) == round(3_600 * rate / 1000) and not samples.any()


@pytest.mark.parametrize(
    ("name", "sides", "sentence"),
    [
        ("talk.mp3", "both", r"saved as \.wav or \.flac"),
        ("talk.wav", "left", "none of both, user, model"),
        ("talk.wav", "both", "nothing was spoken"),
    ],
)
def test_what_cannot_be_saved_is_said_before_a_file_is_there(
    name: str, sides: str, sentence: str, transcript: Transcript, tmp_path: Path
) -> None:
    if "nothing" not in sentence:
        spoken_turn(transcript, 1, 100.0)
    with pytest.raises(ConfigurationError, match=sentence):
        Kept(transcript).save_audio(tmp_path / name, sides=sides)  # type: ignore[arg-type]
    assert not (tmp_path / name).exists()


# -------------------------------------------------------------------------------------------------- a real session


@pytest.mark.sessions
@pytest.mark.parametrize("provider", ["openai", "google", "elevenlabs"])
def test_a_spoken_session_is_saved_and_exported(provider: str, gateway: LocalGateway, tmp_path: Path) -> None:
    with connect(provider, gateway=gateway, quiet=True) as session:
        turn = session.ask("Count to three.")
    samples, rate = soundfile.read(session.save_audio(tmp_path / "talk.wav"))
    end_ms = 0.0
    for row in session.tables.audio.where(role="assistant"):  # one of them greets before it is asked
        end_ms = max(end_ms, row["start_ms"]) + row["audio_ms"]
    assert len(samples) == pytest.approx(end_ms * rate / 1000, abs=2)
    assert not samples[:, 0].any() and np.abs(samples[:, 1]).max() > 0.01
    said = " ".join(cue.text for cue in cues(session.transcript) if cue.role == "assistant")
    assert said.endswith(" ".join(turn.text.split())) and turn.text
    assert session.export(tmp_path / "talk.vtt").read_text(encoding="utf-8").startswith("WEBVTT\n\n")
