"""Pages of sessions: what was said is text and nothing else, sound fits its budget, what is left out is told."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aigw_notebook as aigw
from aigw_notebook import events
from aigw_notebook.audio.clip import Clip
from aigw_notebook.audio.formats import PCM16_24K, AudioFormat
from aigw_notebook.audio.wav import read_wav
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.pages import Page, page
from aigw_notebook.pages.sounds import waveform
from aigw_notebook.pages.words import pieces
from aigw_notebook.records import Entry
from aigw_notebook.transcript import Transcript

NASTY = (
    "<img src=x onerror=alert(1)> </script><script>alert(2)</script> [a](javascript:alert(3)) "
    "\" onmouseover='alert(4)' </style><!-- & </p></span>"
)
VOID = {"img", "meta", "path", "link", "br"}
HANDLERS = re.compile(r"on\w+")
SOURCES = re.compile(r"data:(audio/wav|image/png);base64,[A-Za-z0-9+/=]+")


@dataclass
class Element:
    """An element of a parsed page: its attributes, its text, where it stands."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    within: list[str] = field(default_factory=list)


class Parsed(HTMLParser):
    """A page as a browser reads it: every element, each with all the text in it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.unmatched: list[str] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), within=[other.tag for other in self._open])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.unmatched.append(tag)
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def of(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def classed(self, name: str) -> list[Element]:
        return [e for e in self.elements if name in (e.attributes.get("class") or "").split()]

    @property
    def still_open(self) -> list[str]:
        return [element.tag for element in self._open]


def tone(length_ms: float, format: AudioFormat = PCM16_24K) -> bytes:
    t = np.arange(round(length_ms * format.sample_rate / 1000)) / format.sample_rate
    return (8_000 * np.sin(2 * np.pi * 220 * t)).astype("<i2").tobytes()


@pytest.fixture
def transcript() -> Transcript:
    return Transcript(
        session_id="s1", provider="acme", model="m1", where="here", started_at=datetime(2026, 1, 2, tzinfo=UTC)
    )


def spoken_turn(
    told: Transcript,
    text: str,
    *,
    length_ms: float = 2_000.0,
    words: tuple[str, ...] = (),
    heard_ms: float | None = None,
) -> Entry:
    """A turn asked in writing and answered by voice; the words are spoken every 400 ms."""
    n = len(told.turns) + 1
    turn = told.start_turn(1_000.0 * n)
    told.user_said(f"Question {n}", 1_000.0 * n)
    ids = {"response_id": f"r{n}", "item_id": f"i{n}"}
    told.receive(events.ResponseStarted(response_id=f"r{n}"), 1_000.0 * n + 10)
    told.receive(events.AudioDelta(data=tone(length_ms), format=PCM16_24K, **ids), 1_000.0 * n + 100)
    told.receive(events.OutputTranscript(text=text, final=True, **ids), 1_000.0 * n + 110)
    if words:
        starts = tuple(400.0 * k for k in range(len(words)))
        ends = tuple(start + 350.0 for start in starts)
        told.receive(events.WordTimings(words=words, start_ms=starts, end_ms=ends, **ids), 1_000.0 * n + 120)
    if heard_ms is not None:
        told.receive(events.PlaybackInterrupted(item_id=f"i{n}", played_ms=heard_ms), 1_000.0 * n + 600)
    told.receive(events.ResponseDone(response_id=f"r{n}"), 1_000.0 * n + 700)
    told.finish_turn(turn, "completed" if heard_ms is None else "interrupted", 1_000.0 * n + 700)
    return next(entry for entry in turn.entries if entry.role == "assistant")


def everything_said(told: Transcript, text: str) -> None:
    """That text in every place where somebody else's words can stand."""
    told.model = text
    told.where = text
    spoken_turn(told, text, words=tuple(text.split()), heard_ms=900.0)
    turn = told.start_turn(9_000.0)
    told.user_said(text, 9_000.0)
    told.receive(events.ResponseStarted(response_id="r9"), 9_001.0)
    told.receive(events.TextDelta(text=text, response_id="r9", item_id="i9"), 9_002.0)
    told.receive(events.ToolCall(name=text, call_id=text, arguments=text, response_id="r9"), 9_003.0)
    told.receive(events.ToolFinished(name=text, call_id=text, output=text, error=text, duration_ms=2.0), 9_004.0)
    told.receive(events.ToolFinished(name=text, call_id="other", output=text, duration_ms=2.0), 9_004.0)
    told.receive(events.ImageOutput(url=f"javascript:{text}", response_id="r9"), 9_005.0)
    told.receive(events.ImageOutput(data=b"<svg/>", media_type=f"image/svg+xml{text}", response_id="r9"), 9_006.0)
    told.receive(events.SessionError(code=text, message=text), 9_007.0)
    told.finish_turn(turn, "failed", 9_008.0, error=f"other {text}")
    told.receive(events.SessionClosed(code=1000, reason=text), 9_009.0)


def harmless(html: str) -> list[str]:
    """What in a page could run or fetch, other than the page's own script; and what its words have broken."""
    parsed = Parsed(html)
    wrong = [f"unmatched {tag}" for tag in parsed.unmatched + parsed.still_open]
    wrong += [f"{e.tag} {name}" for e in parsed.elements for name in e.attributes if HANDLERS.fullmatch(name)]
    wrong += [f"{e.tag} href" for e in parsed.elements if "href" in e.attributes]
    sources = [e.attributes["src"] or "" for e in parsed.elements if "src" in e.attributes]
    wrong += [source[:60] for source in sources if not SOURCES.fullmatch(source)]
    wrong += [tag for tag in ("script", "style") if len(parsed.of(tag)) != 1]
    wrong += [e.tag for e in parsed.elements if e.tag in ("iframe", "object", "embed", "form", "link", "base", "a")]
    return wrong


# ----------------------------------------------------------------------------------------------------------- words


def test_what_others_said_is_text_and_nothing_else(transcript: Transcript) -> None:
    everything_said(transcript, NASTY)
    html = page(transcript).html
    assert harmless(html) == []
    assert Parsed(html).of("div")[0].text.count("</script><script>alert(2)</script>") >= 10


@given(st.text(alphabet="<>&\"'/=`[]() abconscriptdata:-!\n\u2028\x00é漢ع", max_size=60))
def test_no_text_at_all_breaks_a_page(text: str) -> None:
    told = Transcript(session_id="s1", provider="acme", model="m1", started_at=datetime(2026, 1, 2, tzinfo=UTC))
    everything_said(told, text or "x")
    assert harmless(page(told).html) == []


def test_words_carry_the_times_that_were_told(transcript: Transcript) -> None:
    spoken_turn(transcript, "One, two. Three & four!", words=("One,", "two.", "Three", "four!"))
    (words,) = [e for e in Parsed(page(transcript).html).classed("aigw-words") if e.attributes["data-times"] == "told"]
    assert words.text == "One, two. Three & four!"
    marked = [(e.text, e.attributes["data-ms"]) for e in Parsed(page(transcript).html).of("span")]
    assert marked == [("One,", "0"), ("two.", "400"), ("Three", "800"), ("four!", "1200")]


def test_without_told_times_sentences_share_the_sound(transcript: Transcript) -> None:
    entry = spoken_turn(transcript, "Aaaa bbbb. Cccc dddd.", length_ms=2_100)
    found, told = pieces(entry)
    assert not told
    assert [(p.start, p.end, p.start_ms) for p in found] == [(0, 10, 0.0), (11, 21, pytest.approx(1_100.0))]


def test_what_was_not_heard_stands_behind_a_mark(transcript: Transcript) -> None:
    spoken_turn(transcript, "One two three four.", words=("One", "two", "three", "four."), heard_ms=800.0)
    parsed = Parsed(page(transcript).html)
    (unheard,) = [e for e in parsed.classed("aigw-unheard") if e.tag == "span"]
    assert unheard.text == " three four."
    assert parsed.classed("aigw-stopped")[0].text == "[heard up to here after 0.8 s]"
    assert len([e for e in parsed.classed("aigw-unheard") if e.tag == "path"]) == 1
    assert [e.text for e in parsed.classed("aigw-mark")] == ["You interrupted: after 0.8 s"]


def test_a_sentence_that_was_cut_is_marked_on_both_sides(transcript: Transcript) -> None:
    spoken_turn(transcript, "alpha beta gamma delta epsilon", heard_ms=1_000.0)
    spans = [e for e in Parsed(page(transcript).html).of("span") if "data-ms" in e.attributes]
    assert [e.text for e in spans] == ["alpha beta", " gamma delta epsilon"]
    assert [e.attributes["data-ms"] for e in spans] == ["0", "667"]


def test_a_tool_call_and_its_answer_are_one_detail(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(events.ResponseStarted(response_id="r"), 1.0)
    transcript.receive(events.ToolCall(name="add", call_id="c", arguments='{"a": 1}', response_id="r"), 2.0)
    transcript.receive(events.ToolFinished(name="add", call_id="c", output="41", duration_ms=12.0), 20.0)
    transcript.finish_turn(turn, "completed", 30.0)
    (detail,) = Parsed(page(transcript).html).of("details")
    assert detail.text == 'Tool add answered after 12 msArguments{"a": 1}Answer41'


def test_a_turns_facts_are_told(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(events.ResponseStarted(response_id="r"), 10.0)
    transcript.receive(events.TextDelta(text="Hi", response_id="r", item_id="i"), 150.0)
    usage = events.Usage(input_tokens=1_200, output_tokens=7)
    transcript.receive(events.ResponseDone(response_id="r", usage=usage), 1_500.0)
    transcript.finish_turn(turn, "completed", 1_500.0)
    facts = "first word 150 ms · all 1.5 s · tokens: 1,200 read, 7 made"
    assert facts in [e.text for e in Parsed(page(transcript).html).of("p")]
    assert facts in [e.text for e in Parsed(page(turn).html).of("p")]


def test_pictures_are_shown_if_they_are_of_a_known_type(transcript: Transcript) -> None:
    turn = transcript.start_turn(0.0)
    transcript.receive(events.ResponseStarted(response_id="r"), 1.0)
    transcript.receive(events.ImageOutput(data=b"\x89PNG", media_type="image/png", response_id="r"), 1.0)
    transcript.receive(events.ImageOutput(data=b"<svg/>", media_type="image/svg+xml", response_id="r"), 2.0)
    transcript.receive(events.ImageOutput(url="https://example.com/a.png", response_id="r"), 3.0)
    transcript.finish_turn(turn, "completed", 4.0)
    parsed = Parsed(page(transcript).html)
    assert [b64decode((e.attributes["src"] or "").split(",")[1]) for e in parsed.of("img")] == [b"\x89PNG"]
    told = [e.text for e in parsed.classed("aigw-note")]
    assert told == [
        "The model made a picture, 6 bytes, not in this page",
        "The model made a picture at https://example.com/a.png",
    ]


# ----------------------------------------------------------------------------------------------------------- sound


def sounds(of: Page) -> list[tuple[AudioFormat, bytes]]:
    parsed = Parsed(of.html)
    return [read_wav(b64decode((e.attributes["src"] or "").split(",")[1])) for e in parsed.of("audio")]


def test_sound_that_fits_stands_in_the_page_as_it_is(transcript: Transcript) -> None:
    spoken_turn(transcript, "One.")
    assert sounds(page(transcript)) == [(PCM16_24K, tone(2_000))]
    assert "preview" not in page(transcript).html


@pytest.mark.parametrize(("seconds", "rate"), [(50, 16_000), (120, 8_000)])
def test_longer_sound_is_a_preview_that_fits_and_is_told(transcript: Transcript, seconds: int, rate: int) -> None:
    spoken_turn(transcript, "One.", length_ms=1_000.0 * seconds)
    shown = page(transcript)
    ((form, data),) = sounds(shown)
    assert form == AudioFormat("ulaw", rate)
    assert form.duration_ms(data) == pytest.approx(1_000.0 * seconds, abs=1)
    assert len(shown.html) < 2_000_000 + 50_000
    assert f"The sound is a preview of {rate // 1000} kHz" in shown.html


def test_what_fits_in_no_form_is_left_out_from_the_oldest_on(transcript: Transcript) -> None:
    for n in range(4):
        spoken_turn(transcript, f"Answer {n}.", length_ms=2_000.0)
    shown = page(transcript, most_bytes=50_000)
    parsed = Parsed(shown.html)
    assert [e.attributes["aria-label"] for e in parsed.of("audio")] == ["Model, 2.0 s of sound"] * 2
    assert [e.text for e in parsed.classed("aigw-note")] == ["2.0 s of sound, not in this page"] * 2
    assert [e.attributes["data-times"] for e in parsed.classed("aigw-words")] == ["none"] * 5 + [
        "shared",
        "none",
        "shared",
    ]
    assert "The sound of the 2 oldest rows is left out" in shown.html
    assert sum(len(e.attributes["src"] or "") for e in parsed.of("audio")) <= 50_000 + 2 * len("data:audio/wav;base64,")


def test_a_document_holds_the_sound_as_it_is(transcript: Transcript, tmp_path: Path) -> None:
    spoken_turn(transcript, "One.", length_ms=50_000.0)
    saved = page(transcript).save(tmp_path / "talk.html").read_text(encoding="utf-8")
    assert saved.startswith('<!doctype html>\n<html><head><meta charset="utf-8">')
    (audio,) = Parsed(saved).of("audio")
    assert read_wav(b64decode((audio.attributes["src"] or "").split(",")[1]))[0] == PCM16_24K
    assert Parsed(saved).of("title")[0].text == "acme m1 s1"


def test_a_waveform_shows_where_it_is_loud_and_what_was_heard() -> None:
    quiet, loud = np.zeros(1_000, "<i2"), np.full(1_000, 20_000, "<i2")
    clip = Clip(np.concatenate([quiet, loud]).tobytes(), AudioFormat("pcm16", 1_000))
    bars = re.findall(r"M\d+ -([\d.]+)V", waveform(clip, bars=4))
    assert [float(bar) for bar in bars] == [0.5, 0.5, 15.0, 15.0]
    heard, unheard = re.findall(r' d="([^"]*)"', waveform(clip, bars=4, heard_ms=500.0))
    assert (heard.count("M"), unheard.count("M")) == (1, 3)


@pytest.mark.parametrize("data", [b"\0", np.array([0.1, np.nan], "<f4").tobytes()], ids=["half-a-sample", "nan"])
def test_sound_that_cannot_be_read_is_told(transcript: Transcript, data: bytes) -> None:
    turn = transcript.start_turn(0.0)
    sound = AudioFormat("float32", 8_000)
    transcript.receive(events.ResponseStarted(response_id="r"), 1.0)
    transcript.receive(events.AudioDelta(data=data, format=sound, response_id="r", item_id="i"), 2.0)
    transcript.finish_turn(turn, "completed", 3.0)
    assert "0.0 s of sound, not in this page" in page(transcript).html
    assert (turn.latency.first_audio_ms, turn.latency.first_audible_ms) == (2.0, None)


def test_half_a_surrogate_pair_stops_no_output_and_no_file(transcript: Transcript, tmp_path: Path) -> None:
    everything_said(transcript, "half \ud83d")
    for form in transcript._repr_mimebundle_().values():
        assert "half \ufffd" in form
    assert "half \ufffd" in page(transcript).save(tmp_path / "talk.html").read_text(encoding="utf-8")


def test_a_waveform_of_one_sample_is_one_bar() -> None:
    assert waveform(Clip(b"\0\0", PCM16_24K), bars=100).count("M") == 1


# ------------------------------------------------------------------------------------------------------- the page


def test_long_sessions_show_the_newest_turns_and_say_so(transcript: Transcript) -> None:
    for n in range(205):
        turn = transcript.start_turn(float(n))
        transcript.user_said(f"Question <{n}>", float(n))
        transcript.finish_turn(turn, "completed", float(n))
    shown = page(transcript)
    assert shown.turns_left_out == 5
    assert "Question &lt;4&gt;" not in shown.html and "Question &lt;5&gt;" in shown.html
    for form in shown._repr_mimebundle_().values():
        assert "The first 5 turns are left out" in form
    assert "Question &lt;0&gt;" in page(transcript, most_turns=None).html


def test_a_page_has_every_form(transcript: Transcript) -> None:
    spoken_turn(transcript, "*One* two.", heard_ms=0.0)
    shown = transcript._repr_mimebundle_()
    assert shown["text/plain"].splitlines() == [
        "You: Question 1",
        "Model:  (not heard: *One* two.)",
        "You, interruption: ",
    ]
    assert "**Model:**" in shown["text/markdown"] and "\\*One\\* two\\." in shown["text/markdown"]
    assert Parsed(shown["text/html"]).of("audio")


def test_a_page_adds_nothing_to_a_notebooks_table_of_contents(transcript: Transcript) -> None:
    spoken_turn(transcript, "One.")
    parsed = Parsed(page(transcript).html)
    assert not [e for e in parsed.elements if re.fullmatch(r"h\d", e.tag)]
    assert [e.text for e in parsed.elements if e.attributes.get("role") == "heading"] == ["acme m1 s1", "Turn 1"]


def test_an_empty_session_says_so(transcript: Transcript) -> None:
    assert "Nothing was said." in page(transcript).html
    assert str(page(transcript)) == "(nothing was said)"


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway() as running:
        yield running


def test_a_session_its_recording_and_its_file_have_the_same_page(gateway: LocalGateway, tmp_path: Path) -> None:
    with aigw.connect("cartesia", gateway=gateway) as session:
        turn = session.ask("One two three.")
    html = session.page().html
    assert len(Parsed(html).of("audio")) == 1 and 'data-times="told"' in html
    assert aigw.page(session.recording()).html == html
    loaded = aigw.load(session.save(tmp_path / "talk.aigw"))
    assert loaded.page().html == html
    assert loaded._repr_mimebundle_()["text/html"] == html
    assert len(Parsed(aigw.page(turn).html).of("audio")) == 1
