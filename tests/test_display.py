"""Static outputs of a turn and its live views, with a clock and an output of the test's own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aigw_notebook import display, views
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.audio.wav import read_wav
from aigw_notebook.cost import Cost
from aigw_notebook.events import AudioDelta, OutputTranscript, ResponseStarted, TextDelta, ToolCall, ToolFinished
from aigw_notebook.transcript import Transcript
from aigw_notebook.turn import Turn
from aigw_notebook.widgets.live import LiveView, keep_front_end_route

TONE = bytes(range(256)) * 75  # 400 ms


def words(text: str, *, item: str = "i1", final: bool = False) -> OutputTranscript:
    return OutputTranscript(text=text, item_id=item, response_id="r1", final=final)


def sound(data: bytes = TONE) -> AudioDelta:
    return AudioDelta(data=data, format=PCM16_24K, item_id="i1", response_id="r1")


def turn_of(*events: Any, status: Any = "completed") -> Turn:
    transcript = Transcript(session_id="s1", provider="echo", model="m", where="nowhere")
    turn = transcript.start_turn(0.0)
    transcript.user_said("why?", 0.0)
    for t_ms, event in enumerate((ResponseStarted(response_id="r1"), *events), 1):
        transcript.receive(event, float(t_ms))
    transcript.finish_turn(turn, status, 9.0)
    return turn


# --------------------------------------------------------------------------------------------------- static outputs


@pytest.mark.parametrize(
    ("turn", "markdown", "plain"),
    [
        (turn_of(words("**Because.**")), "**Because.**", "**Because.**"),
        (turn_of(words("Because"), status="cancelled"), "Because\n\n*(cancelled)*", "Because (cancelled)"),
        (turn_of(sound()), "(spoken, no transcript)", "(spoken, no transcript)"),
        (turn_of(status="timeout"), "*(timeout)*", "(timeout)"),
        (turn_of(), "*(no answer)*", "(no answer)"),
        (turn_of(words("README.md")), "README.md", "README.md"),
    ],
)
def test_the_text_of_a_turn_says_how_it_ended(turn: Turn, markdown: str, plain: str) -> None:
    assert display.text_bundle(turn) == {"text/markdown": markdown, "text/plain": plain}


def test_the_player_holds_the_very_samples_and_does_not_start_by_itself() -> None:
    clip = turn_of(words("Because."), sound()).audio
    assert clip is not None
    audio = display.audio_output(clip, "unused.wav", element_id="aigw-1")
    assert read_wav(audio.data) == (PCM16_24K, TONE)
    html = audio._repr_html_()
    assert "autoplay" not in html
    assert 'id="aigw-1"' in html


def test_a_long_answer_is_a_file_beside_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    turn = turn_of(sound(bytes(PCM16_24K.byte_count(32_000))))
    clip = turn.audio
    assert clip is not None
    html = display.audio_output(clip, display.file_name(turn))._repr_html_()
    assert 'src="aigw-s1-turn-1.wav"' in html
    assert len(html) < 1_000
    assert read_wav((tmp_path / "aigw-s1-turn-1.wav").read_bytes())[1] == clip.data


def test_the_budget_is_just_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip = turn_of(sound(bytes(PCM16_24K.byte_count(31_000)))).audio
    assert clip is not None
    html = display.audio_output(clip, "x.wav")._repr_html_()
    assert 1_900_000 < len(html) <= display.EMBED_BYTES + 1_000
    assert list(tmp_path.iterdir()) == []


def test_markdown_is_the_usual_form_and_the_others_are_bundles() -> None:
    turn = turn_of(words("Because."), sound())
    assert display.formatted(turn, "markdown") is None
    assert display.formatted(turn, "text") == {"text/plain": "Because."}
    assert display.formatted(turn, "audio") == {"text/plain": "0.4 s of audio"}
    records = display.formatted(turn, "records")
    assert records is not None and "<td>assistant</td>" in records["text/html"]


def test_a_turn_as_json_is_plain_data() -> None:
    bundle = display.formatted(turn_of(words("Because.")), "json")
    assert bundle is not None
    known = json.loads(bundle["text/plain"])
    assert known == json.loads(json.dumps(bundle["application/json"]))
    assert (known["text"], known["status"], known["user_text"]) == ("Because.", "completed", "why?")
    assert known["latency"]["first_token_ms"] == 2.0
    assert known["cost_usd"] is None


def test_a_table_escapes_its_html_and_lines_up_its_text() -> None:
    table = display.Table([{"name": "<b>", "n": 1.25}, {"name": None, "n": 10, "more": "a\nb"}])
    assert "<td>&lt;b&gt;</td>" in table._repr_html_()
    assert repr(table).splitlines() == ["name  n    more", "<b>   1.2", "      10   a b"]
    assert len(table) == 2


def test_out_of_a_kernel_a_turn_prints_its_text_once(capsys: pytest.CaptureFixture[str]) -> None:
    turn = turn_of(words("Because."), sound())
    turn.shown = True
    display.show_turn(turn)
    assert capsys.readouterr().out == "<Turn 1 echo completed: 'Because.'>\n"
    display.show_turn(turn)
    assert capsys.readouterr().out == "Because.\n[0.4 s of audio: _.audio.save('answer.wav')]\n"


# -------------------------------------------------------------------------------------------------------- terminal


def test_a_terminal_gets_each_word_once_and_the_offer_of_the_audio(capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        words("Be"),
        words("cause"),
        sound(),
        words("Because", final=True),
        words("Truly.", item="i2", final=True),
    ]
    view = views.TerminalView()
    view.open()
    for event in events:
        view(event)
    view.pump(0)
    assert capsys.readouterr().out == "Because\n\nTruly."
    view.close(turn_of(*events))
    assert capsys.readouterr().out == "\n[0.4 s of audio: _.audio.save('answer.wav')]\n"


def test_a_terminal_says_how_a_turn_ended(capsys: pytest.CaptureFixture[str]) -> None:
    view = views.TerminalView()
    view(TextDelta(text="Be", item_id="i1"))
    view.close(turn_of(TextDelta(text="Be", item_id="i1"), status="interrupted"))
    assert capsys.readouterr().out == "Be\n(interrupted)\n"
    views.TerminalView().close(turn_of(status="lost"))
    assert capsys.readouterr().out == "(lost)\n"
    views.TerminalView().close(turn_of(words("Because.")), text={"text/plain": "{}"})
    assert capsys.readouterr().out == "{}\n"


def test_a_view_that_is_woken_stops_waiting() -> None:
    view = views.TerminalView()
    view.wake()
    view.pump(60)


# -------------------------------------------------------------------------------------------------------- notebook


class Page:
    """A notebook view on a clock that only the test moves, with all that leaves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, sound: bool = True) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[..., object], tuple[Any, ...]]] = []
        self.published: list[tuple[str, bool, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.stopped: list[float | None] = []
        monkeypatch.setattr(views, "publish", self._publish)
        monkeypatch.setattr(LiveView, "send", lambda widget, content, buffers=None: self.sent.append(content))
        self.view = views.NotebookView(loop=self, stop=self.stopped.append, title="echo m", sound=sound)
        self.view.open()

    def _publish(self, content: Any, *, display_id: str = "", update: bool = False) -> None:
        self.published.append((display_id, update, content))

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        timer = (self.now + delay, callback, args)
        self.timers.append(timer)
        return _Timer(lambda: self.timers.remove(timer) if timer in self.timers else None)

    def go(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((timer for timer in self.timers if timer[0] <= end), key=lambda timer: timer[0]):
            self.timers.remove(due[0])
            self.now = due[0][0]
            due[0][1](*due[0][2])
        self.now = end

    def say(self, **content: Any) -> None:
        """What the page's view sends."""
        assert self.view._widget is not None
        self.view._widget._handle_custom_msg(content, [])

    def texts(self) -> list[tuple[int, list[str]]]:
        return [(message["seq"], message["parts"]) for message in self.sent if message["kind"] == "text"]

    def audio(self) -> list[tuple[bool, bool, str]]:
        """Of each audio output: whether it was an update, whether it plays by itself, its id."""
        found = [(update, content) for _, update, content in self.published if not isinstance(content, dict)]
        return [(update, content.autoplay, content.element_id) for update, content in found]


class _Timer:
    def __init__(self, cancel: Callable[[], object]) -> None:
        self.cancel = cancel


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(monkeypatch)


def test_the_widget_stands_where_the_text_will_be(page: Page) -> None:
    place, update, bundle = page.published[0]
    assert not update
    assert bundle["text/plain"] == "echo m …"
    page.view.shut()
    page.view.close(turn_of(words("Because.")))
    assert page.published[-1] == (place, True, {"text/markdown": "Because.", "text/plain": "Because."})
    assert page.view._widget is not None and page.view._widget.comm is None


def test_the_static_text_is_the_answer_alone(page: Page) -> None:
    turn = turn_of(words("Because."))
    turn.spent = lambda entries: Cost(usd=0.00314, list_usd=0.00314)
    page.view.shut()
    page.view.close(turn)
    assert page.published[-1][2]["text/plain"] == "Because."


def test_a_view_is_sent_what_it_has_not_got(page: Page) -> None:
    page.view(words("a"))
    page.go(0.1)
    page.view(words("b"))
    page.say(kind="ready", have=0)
    page.say(kind="ready", have=1)
    page.say(kind="ready", have=2)
    assert page.texts() == [(0, ["a"]), (1, ["b"]), (0, ["a", "b"]), (1, ["b"]), (2, [])]
    assert [message.get("elapsed_ms") for message in page.sent] == [None, None, 100.0, 100.0, 100.0]


def test_once_a_view_is_ready_the_text_never_goes_as_markdown(page: Page) -> None:
    page.view(words("a"))
    page.say(kind="ready", have=0)
    for _ in range(100):
        page.view(words("b"))
        page.go(0.05)
    assert len(page.published) == 1
    assert "".join(part for _, parts in page.texts()[1:] for part in parts) == "a" + "b" * 100


def test_without_a_view_the_text_goes_on_as_markdown_that_gets_rarer(page: Page) -> None:
    for _ in range(400):
        page.view(words("lisbon"))
        page.go(0.01)
    page.view.shut()
    shown = [content["text/markdown"] for _, update, content in page.published if update]
    assert 3 < len(shown) < 10
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(shown))
    assert sum(map(len, shown)) < 5 * 400 * 6
    assert len(page.texts()) <= 22


def test_the_status_line_tells_first_words_first_audio_and_tools(page: Page) -> None:
    page.go(0.2)
    page.view(words("a"))
    page.go(0.1)
    page.view(sound())
    widget = page.view._widget
    assert widget is not None
    assert widget.state == pytest.approx({"first_text_ms": 200.0, "first_audio_ms": 300.0})
    page.view(ToolCall(call_id="c", name="weather", arguments="{}"))
    assert widget.state["tool"] == "weather"
    page.view(ToolFinished(call_id="c", name="weather", output="sunny"))
    assert widget.state["tool"] is None


def test_sound_is_a_row_of_segments_in_one_place_and_then_the_whole(page: Page) -> None:
    page.say(kind="ready", have=0)
    page.view(sound())
    page.view(sound())
    assert page.audio() == []  # a new output is the cell's own to make
    page.view.pump(0)
    page.go(0.5)
    page.view.shut()
    page.view.close(turn_of(sound(), sound()))
    id_of_all = page.view._sound_id
    segments = [(False, True, f"{id_of_all}-1"), (True, True, f"{id_of_all}-2")]
    assert page.audio() == [*segments, (True, False, id_of_all)]
    assert len({place for place, _, content in page.published if not isinstance(content, dict)}) == 1


def test_a_turn_that_is_over_leaves_no_timer_and_shows_nothing_more(page: Page) -> None:
    page.view(words("a"))
    page.view(words("b"))
    page.view(sound())
    page.view.shut()
    page.view.close(turn_of(words("ab"), sound()))
    seen = len(page.published)
    page.view(words("late"))
    page.go(60)
    assert len(page.published) == seen
    assert page.timers == []


@pytest.mark.parametrize(("status", "hushed"), [("completed", 0), ("timeout", 0), ("cancelled", 1), ("interrupted", 1)])
def test_only_a_turn_that_was_stopped_falls_silent(page: Page, status: str, hushed: int) -> None:
    page.view.shut()
    page.view.close(turn_of(words("a"), status=status))
    assert [message["kind"] for message in page.sent].count("hush") == hushed


def test_stop_says_how_much_was_heard(page: Page) -> None:
    page.say(kind="stop", played_ms=420)
    page.say(kind="stop")
    page.say(kind="nonsense")
    assert page.stopped == [420, None]


def test_without_live_sound_there_is_only_the_final_player(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(monkeypatch, sound=False)
    page.view(sound())
    page.view.pump(0)
    page.view.shut()
    page.view.close(turn_of(sound()))
    assert [(update, autoplay) for update, autoplay, _ in page.audio()] == [(False, False)]
    page.view.close(turn_of(sound()), audio=False)
    assert len(page.audio()) == 1


def test_the_front_ends_choice_of_subshell_stands() -> None:
    class Comm:
        def _reply_subshell_for(self, data: Any, default: Any) -> Any:
            return "the shell that wrote last"

    class Widget:
        comm = Comm()

    keep_front_end_route(Widget)
    assert Widget.comm._reply_subshell_for({}, "mine") == "mine"
    keep_front_end_route(object())
