"""A timeline is well-formed SVG in order of time, tells no more than was said, and has a bounded number of shapes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

import aigw_notebook as aigw
from aigw_notebook import events
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.lines import Line
from aigw_notebook.timeline import Timeline
from aigw_notebook.timeline.scale import MOST_TICKS, Scale, merged
from aigw_notebook.timeline.story import LANES, Span, seconds, story_of
from aigw_notebook.transcript import Transcript

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '</text><script>alert(1)</script> & "quoted" \x00\x1b\ud800 \ufffe'


@pytest.fixture
def transcript() -> Transcript:
    started_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Transcript(session_id="s1", provider="acme", model="m1", started_at=started_at)


def answered(told: Transcript, at_ms: float, *, text: str = "An answer.", audio_ms: float = 0.0) -> None:
    """A written question, its answer after 100 ms in words, after 250 ms in sound, and its end after 400 ms."""
    turn = told.start_turn(at_ms)
    told.user_said("A question?", at_ms)
    response, item = f"r{turn.number}", f"i{turn.number}"
    told.receive(events.ResponseStarted(response_id=response), at_ms + 50.0)
    told.receive(events.OutputTranscript(text=text, response_id=response, item_id=item), at_ms + 100.0)
    if audio_ms:
        sound = bytes(2 * round(audio_ms * 24))
        told.receive(events.AudioDelta(data=sound, format=PCM16_24K, response_id=response, item_id=item), at_ms + 250.0)
    told.receive(events.ResponseDone(response_id=response), at_ms + 400.0)
    told.finish_turn(turn, "completed", at_ms + 400.0)


def parsed(timeline: Timeline) -> ET.Element:
    return ET.fromstring(timeline.svg)


def spans(root: ET.Element, kind: str) -> list[tuple[float, float]]:
    """Place and width of all spans of a kind, as they stand in the picture."""
    found = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == f"span {kind}"]
    return [(float(rect.get("x", "")), float(rect.get("width", ""))) for rect in found]


def titles(root: ET.Element) -> list[str]:
    return [title.text or "" for title in root.iter(f"{SVG}title")]


def lane_names(root: ET.Element) -> list[str]:
    words = [text.text or "" for text in root.iter(f"{SVG}text")]
    return [word for word in words if word in LANES.values()]


def test_lanes_hold_what_happened_at_its_time(transcript: Transcript) -> None:
    answered(transcript, 0.0, audio_ms=600.0)
    root = parsed(Timeline(transcript, [Line(0.0, "sent", "{}"), Line(400.0, "received", b"1234")]))
    assert lane_names(root) == ["You", "Model writes", "Sound comes", "Sound heard", "Messages"]
    scale = Scale(850.0, 104, 838)
    assert spans(root, "text")[0] == pytest.approx((scale.x(100.0), scale.x(400.0) - scale.x(100.0)), abs=0.02)
    assert spans(root, "audio")[0] == pytest.approx((scale.x(250.0), scale.x(400.0) - scale.x(250.0)), abs=0.02)
    assert spans(root, "assumed")[0] == pytest.approx((scale.x(250.0), scale.x(850.0) - scale.x(250.0)), abs=0.02)
    told = titles(root)
    assert {"Turn 1: first word after 100 ms", "Turn 1: first sound after 250 ms"} <= set(told)
    assert sum("message sent" in title or "message received" in title for title in told) == 2


def test_a_barge_in_ends_what_is_heard_and_is_marked(transcript: Transcript) -> None:
    answered(transcript, 0.0, audio_ms=2_000.0)
    transcript.receive(events.PlaybackInterrupted(item_id="i1", played_ms=500.0), 750.0)
    root = parsed(Timeline(transcript))
    assert any(title.startswith("500 ms of 2 s heard") for title in titles(root))
    assert "Barge-in at 750 ms, 500 ms had been heard" in titles(root)
    assert len([line for line in root.iter(f"{SVG}line") if line.get("class") == "mark"]) == 1
    x, width = spans(root, "heard")[0]
    assert x + width == pytest.approx(942.0, abs=0.1)


def test_tools_are_drawn_as_long_as_they_ran_and_one_without_an_answer_is_told(transcript: Transcript) -> None:
    transcript.start_turn(0.0)
    transcript.receive(events.ToolCall(call_id="c1", name="look_up", arguments="{}"), 100.0)
    transcript.receive(events.ToolFinished(call_id="c1", name="look_up", output="42", duration_ms=300.0), 400.0)
    transcript.receive(events.ToolCall(call_id="c2", name="lost", arguments="{}"), 500.0)
    root = parsed(Timeline(transcript))
    assert "look_up, 300 ms: 42" in titles(root)
    assert "lost was called and gave no answer" in titles(root)
    assert len(spans(root, "tool")) == len(spans(root, "failed")) == 1


def test_words_are_escaped_whatever_they_are(transcript: Transcript) -> None:
    answered(transcript, 0.0, text=NASTY)
    root = parsed(Timeline(transcript))
    assert not list(root.iter(f"{SVG}script"))
    assert any("<script>alert(1)</script>" in title for title in titles(root))


def test_the_picture_is_as_wide_as_the_place_it_is_shown_in(transcript: Transcript) -> None:
    root = parsed(Timeline(transcript))
    assert root.attrib["viewBox"].startswith("0 0 960 ")
    assert not {"width", "height", "style"} & root.attrib.keys(), "JupyterLab cuts off what is wider than the cell"


def test_an_empty_session_has_a_picture_too(transcript: Transcript) -> None:
    root = parsed(Timeline(transcript))
    assert titles(root)[0] == "Timeline of acme m1 · 0 turns · 1 ms"
    assert lane_names(root) == []


@pytest.mark.parametrize("length_s", [1, 10, 60, 600, 3600])
def test_any_length_has_a_readable_axis_and_a_bounded_number_of_shapes(transcript: Transcript, length_s: int) -> None:
    for number in range(length_s * 2):
        answered(transcript, number * 500.0, audio_ms=300.0)
    lines = [Line(n * 50.0, "received", "x" * 100) for n in range(length_s * 20)]
    timeline = Timeline(transcript, lines)
    root = parsed(timeline)
    assert len(list(root.iter())) < 6_000
    assert len(timeline.svg) < 1_500_000
    ticks = [float(t.get("x", "")) for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "middle"]
    assert 3 <= len(ticks) <= MOST_TICKS + 1
    assert ticks == sorted(ticks)
    for kind in ("you", "text", "assumed"):
        places = [x for x, _ in spans(root, kind)]
        assert places and places == sorted(places)


def many() -> Iterator[Span]:
    for number in range(50_000):
        yield Span(number * 7.0, number * 7.0 + (900.0 if number % 50 == 0 else 2.0), "text", "a", "b")


def test_merged_spans_do_not_overlap_and_lose_none() -> None:
    scale = Scale(350_000.0, 0.0, 840.0)
    found = merged(many(), scale)
    assert len(found) <= 840
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(found))
    assert sum(int(s.label.split()[0]) if "×" in s.label else 1 for s in found) == 50_000


def test_a_failure_is_not_hidden_by_what_it_is_merged_with() -> None:
    close = [Span(0.0, 1.0, "tool", "a", "a"), Span(1.0, 2.0, "failed", "b", "b")]
    assert [span.kind for span in merged(close, Scale(1_000.0, 0.0, 840.0))] == ["failed"]


def test_spans_that_can_be_told_apart_stay_as_they_are() -> None:
    apart = [Span(0.0, 10.0, "text", "a", "a"), Span(20.0, 30.0, "text", "b", "b")]
    assert merged(apart, Scale(30.0, 0.0, 840.0)) == apart


@pytest.mark.parametrize(
    ("ms", "shown"), [(0.4, "0 ms"), (132.0, "132 ms"), (1_234.0, "1.23 s"), (61_000.0, "1 min 01 s")]
)
def test_times_are_as_precise_as_their_size_deserves(ms: float, shown: str) -> None:
    assert seconds(ms) == shown


def test_a_running_answer_lasts_until_now(transcript: Transcript) -> None:
    transcript.start_turn(0.0)
    transcript.receive(events.ResponseStarted(response_id="r"), 10.0)
    transcript.receive(events.TextDelta(text="Yes", response_id="r", item_id="i"), 20.0)
    story = story_of(transcript, [Line(500.0, "received", "{}")])
    assert story.lanes["text"][0][:2] == (20.0, 500.0)


def test_a_session_and_its_recording_have_the_same_timeline(gateway: LocalGateway, tmp_path: Path) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count to three.")
    timeline = session.timeline()
    assert len(spans(parsed(timeline), "text")) == 1
    saved = timeline.save(tmp_path / "talk.svg")
    assert saved.read_text(encoding="utf-8") == timeline.svg == timeline._repr_svg_()
    assert timeline._repr_mimebundle_()["image/svg+xml"] == timeline.svg
    assert aigw.load(session.save(tmp_path / "talk.aigw")).timeline().svg == timeline.svg


def test_without_a_log_the_picture_goes_without_the_messages(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True, log="off") as session:
        session.ask("Count to three.")
        root = parsed(session.timeline())
    assert spans(root, "text")
    assert LANES["network"] not in lane_names(root)


def test_a_path_of_another_kind_is_refused(transcript: Transcript, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ends in .svg"):
        Timeline(transcript).save(tmp_path / "talk.png")
    with pytest.raises(ConfigurationError, match="could not be written"):
        Timeline(transcript).save(tmp_path / "missing" / "talk.svg")
