"""The chat panel without a page: what it tells its views, over real sockets to the embedded gateway."""

from __future__ import annotations

import json
from pathlib import Path

import ipywidgets
import pytest

import aigw_notebook as aigw
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.portal import portal
from aigw_notebook.widgets import chat_driver
from aigw_notebook.widgets.chat import ChatPanel
from tests.widgets.page import Page, paneled, texts

pytestmark = pytest.mark.sessions

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


# ------------------------------------------------------------------------------------------------------ asked by code


def test_an_answer_is_told_to_the_views_piece_by_piece(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        turn = panel.ask("What is the capital of Portugal?")
        assert (panel.text, turn.status, panel.turns) == (turn.text, "completed", [turn])
        assert texts(page.shown()) == ["What is the capital of Portugal?", turn.text] == texts(panel.bubbles)
        page.until(lambda: panel.status == "ready" and json.loads(panel.transcript)["bubbles"] == panel.bubbles)
        facts = panel.bubbles[-1]["facts"]
        assert facts["total_ms"] >= facts["first_token_ms"] >= 0 and facts["output_tokens"] > 0
        assert [row["role"] for row in panel.records] == ["user", "assistant"]
        assert "127.0.0.1" in panel.state["where"]


def test_making_a_panel_opens_nothing_and_a_shown_panel_connects(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        assert (panel.session, panel.status) == (None, "idle")
        page.say("ready", have=0)
        page.until(lambda: panel.status == "ready")
        assert panel.session is not None and not panel.session.closed


def test_a_page_asks_again_from_where_it_is(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        panel.ask("Count from 1 to 8")
        batches = page.of("delta")
        page.messages.clear()
        page.say("ready", have=1)
        page.until(lambda: len(page.messages) == len(batches) - 1)
        assert page.of("delta") == batches[1:]


def test_sound_waits_for_a_page_and_then_goes_at_once(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        first = panel.ask("What is 17 times 23?")
        assert page.of("audio") == []
        page.say("listening")
        page.until(lambda: bool(page.of("spoken")) or len(page.of("audio")) > 0)
        sent = sum(len(buffers[0]) for content, buffers in page.messages if content["kind"] == "audio")
        assert first.audio is not None and sent == len(first.audio.data)
        second = panel.ask("What is 2 times 3?")
        sent = sum(len(buffers[0]) for content, buffers in page.messages if content["kind"] == "audio") - sent
        assert second.audio is not None and sent == len(second.audio.data)


def test_of_two_pages_the_one_speaks_that_was_opened_or_used_last(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        page.say("listening", page="first")
        page.say("listening", page="second")
        page.until(lambda: page.of("hush") == [{"kind": "hush", "id": None, "page": "first"}])
        panel.ask("What is 2 times 3?")
        page.say("ask", text="What is 2 times 4?", page="first")
        page.until(lambda: len(panel.turns) == 2 and panel.turns[1].status == "completed")
        of_each = {content["page"]: content["item"] for content in page.of("audio")}
        assert list(of_each) == ["second", "first"] and of_each["first"] != of_each["second"]


def test_hold_to_talk_is_shown_while_one_speaks_and_answered_on_release(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        page.say("microphone", on=True, push=True, rate=24000)
        for _ in range(10):
            page.say("chunk", [bytes(1920)])
        page.until(lambda: bool(page.shown()) and page.shown()[0]["provisional"])
        assert panel.status == "listening"
        page.say("microphone", on=False, push=True, rate=24000)
        page.until(lambda: bool(panel.turns) and panel.turns[0].status == "completed")
        page.until(lambda: panel.bubbles[0]["audio_ms"] == 400)
        assert (panel.bubbles[0]["role"], panel.bubbles[0]["spoken"]) == ("user", True)


def test_chunks_that_never_came_are_counted_within_one_recording(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        for first in (0, 40):  # the microphone is switched on twice
            page.say("microphone", on=True, push=True, rate=24000)
            for seq in (first, first + 1, first + 4):
                page.say("chunk", [bytes(1920)], seq=seq)
            page.say("microphone", on=False, push=True, rate=24000)
        page.until(lambda: panel.microphone_counts == {"received": 6, "lost": 4, "dropped": 0})


def test_a_key_that_is_let_go_before_anything_is_heard_asks_nothing(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        panel.ask("What is 2 times 3?")
        page.say("microphone", on=True, push=True, rate=24000)
        page.say("microphone", on=False, push=True, rate=24000)
        turn = panel.ask("What is 2 times 4?")
        assert panel.turns[1:] == [turn] and texts(panel.bubbles, "notice") == []


# --------------------------------------------------------------------------------------------------------- take back


def test_undo_makes_the_model_forget_too(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        panel.ask("My name is Ada.")
        session = panel.session
        panel.ask("What is 2 times 3?")
        panel.undo()
        assert len(panel.turns) == 1 and len(panel.records) == 4
        assert texts(page.shown()) == texts(panel.bubbles) and len(panel.bubbles) == 2
        assert panel.session is not None and session is not None and panel.session.core is session.core
        panel.undo()
        with pytest.raises(aigw.ConfigurationError, match="nothing to take back"):
            panel.undo()


def test_a_question_is_changed_in_its_place(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        panel.ask("What is 2 times 3?")
        panel.ask("What is 2 times 4?")
        page.say("edit", id=panel.bubbles[0]["id"], text="What is the capital of Portugal?")
        page.until(lambda: len(panel.turns) == 1 and "Lisbon" in panel.turns[0].text)
        page.until(lambda: texts(page.shown(), "user") == ["What is the capital of Portugal?"])


def test_regenerate_asks_the_last_question_again(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, _):
        panel.ask("What is 2 times 3?", image=PNG)
        turn = panel.regenerate()
        assert panel.turns == [turn] and turn.user_text == "What is 2 times 3?"
        assert len(panel.bubbles[0]["pictures"]) == 1


def test_where_nothing_can_be_taken_back_the_panel_says_why(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_driver, "_can_seed", lambda provider: False)
    with paneled(gateway, "google") as (panel, page):
        panel.ask("What is 2 times 3?")
        panel.ask("What is 2 times 4?")
        page.say("undo")
        page.until(lambda: any("neither delete" in text for text in texts(page.shown(), "notice")))
        assert len(panel.turns) == 2


def test_clear_begins_anew_and_keeps_the_records(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        panel.ask("What is 2 times 3?")
        panel.clear()
        assert (panel.turns, panel.bubbles, panel.session, page.shown()) == ([], [], None, [])
        panel.ask("What is 2 times 4?")
        assert {row["role"] for row in panel.records if row["turn"] == 1} == {"user", "assistant"}
        assert len({row["session_id"] for row in panel.records}) == 2


# -------------------------------------------------------------------------------------------------------------- tools


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"


@pytest.mark.parametrize(("approved", "state"), [(True, "approved"), (False, "refused")])
def test_a_tool_waits_for_yes_or_no(gateway: LocalGateway, approved: bool, state: str) -> None:
    with paneled(gateway, tools=[weather], approve_tools=True) as (panel, page):
        page.say("ask", text="What is the weather in Lisbon?")
        page.until(lambda: any(b.get("approval") == "waiting" for b in page.shown()))
        call = next(b for b in page.shown() if b["role"] == "tool")
        assert (call["name"], json.loads(call["text"]), call["output"]) == ("weather", {"city": "Lisbon"}, None)
        page.say("approve", id=call["call_id"], yes=approved)
        page.until(lambda: bool(panel.turns) and panel.turns[0].status == "completed")
        tool = next(b for b in panel.bubbles if b["role"] == "tool")
        assert tool["approval"] == state
        assert (tool["output"] == "Sunny in Lisbon") == approved
        assert approved or "refused" in tool["output"]


def test_tools_run_unasked_without_approval(gateway: LocalGateway) -> None:
    with paneled(gateway, tools=[weather]) as (panel, _):
        panel.ask("What is the weather in Lisbon?")
        tool = next(b for b in panel.bubbles if b["role"] == "tool")
        assert (tool["approval"], tool["output"], tool["failed"]) == (None, "Sunny in Lisbon", False)


# -------------------------------------------------------------------------------------------------- settings, faults


def test_another_provider_is_a_new_session_under_the_same_conversation(gateway: LocalGateway) -> None:
    with paneled(gateway, voice="cedar") as (panel, page):
        panel.ask("What is 2 times 3?")
        panel.provider = "google"
        assert (panel.model, panel.voice, panel.controls["title"]) == ("", "", "Gemini Live")
        page.until(lambda: any("new session" in text for text in texts(page.shown(), "notice")))
        panel.ask("What is 2 times 4?")
        assert [t.provider for t in panel.turns] == ["openai", "google"]
        assert len(texts(panel.bubbles, "user")) == 2


def test_traits_can_be_observed_and_linked_and_hold_no_secret(gateway: LocalGateway) -> None:
    with paneled(gateway, api_key="sk-do-not-show", instructions="Be brief.") as (panel, _):
        seen: list[str] = []
        panel.observe(lambda change: seen.append(change["new"]), names="text")
        box = ipywidgets.Textarea()
        ipywidgets.dlink((panel, "text"), (box, "value"))
        turn = panel.ask("What is 2 times 3?")
        assert seen == [turn.text] == [box.value]
        ipywidgets.VBox([panel, box]).close()
        told = json.dumps({name: repr(value) for name, value in panel.trait_values().items()})
        assert "sk-do-not-show" not in told + repr(panel) and "Be brief." in told


def test_what_cannot_be_reached_is_a_sentence_in_the_panel() -> None:
    gateway = aigw.Gateway.from_url("ws://127.0.0.1:9/v1/a/b", token="token")
    panel = ChatPanel("openai", gateway=gateway)
    page = Page(panel)
    try:
        page.say("ready", have=0)
        page.until(lambda: panel.status == "failed")
        assert "cannot reach" in panel.state["error"] and "Traceback" not in panel.state["error"]
        page.say("ask", text="Hello?")
        page.until(lambda: any("cannot reach" in text for text in texts(page.shown(), "notice")))
        with pytest.raises(aigw.Unreachable):
            panel.ask("Hello?")
    finally:
        panel.close()


def test_mistakes_in_code_are_told_at_once() -> None:
    with pytest.raises(aigw.ConfigurationError, match="unknown setting colour"):
        ChatPanel("openai", colour="red")
    panel = ChatPanel("nobody")
    assert panel.status == "failed" and "nobody" in panel.state["error"]
    panel.close()


@pytest.mark.parametrize(
    ("provider", "on", "off"),
    [
        ("openai", "image", None),
        ("cartesia", "text", "mic"),
        ("deepgram", "mic", "text"),
        ("universal", "text", "voice"),
    ],
)
def test_controls_follow_what_a_provider_can_do(provider: str, on: str, off: str | None) -> None:
    panel = ChatPanel(provider)
    assert panel.controls[on]["on"]
    assert off is None or (not panel.controls[off]["on"] and panel.controls["title"] in panel.controls[off]["why"])
    panel.close()


# ------------------------------------------------------------------------------------------------------- the rest


def test_a_session_of_ones_own_is_shown_and_never_closed(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("What is 2 times 3?")
        panel = ChatPanel(session)
        turn = panel.ask("What is 2 times 4?")
        assert panel.turns == session.turns and turn in session.turns and len(panel.bubbles) == 4
        assert panel.controls["fixed"] is True
        panel.close()
        assert not session.closed and session.ask("What is 2 times 5?").status == "completed"
        with pytest.raises(aigw.Unsupported):
            ChatPanel(session, voice="cedar")


def test_a_branch_shows_what_it_began_with(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        first = session.ask("My name is Ada.")
        with session.fork(at=first, gateway=gateway, quiet=True) as branch:
            panel = ChatPanel(branch)
            page = Page(panel)
            turn = panel.ask("What is my name?")
            said = ["My name is Ada.", first.text, "What is my name?", turn.text]
            assert texts(panel.bubbles) == said and "Ada" in turn.text
            page.say("edit", id=panel.bubbles[0]["id"], text="My name is Bob.")
            page.until(lambda: any("no longer there" in text for text in texts(page.shown(), "notice")))
            panel.close()


def test_a_panel_with_a_history_shows_it_once_and_clear_takes_it_away(gateway: LocalGateway) -> None:
    before = [("system", "Be brief."), ("user", "My name is Ada."), ("assistant", "Hello, Ada.")]
    with paneled(gateway, history=before) as (panel, _):
        assert "Ada" in panel.ask("What is my name?").text
        assert panel.session is not None
        panel.session.close()
        assert "Ada" in panel.ask("And what is my name now?").text
        assert texts(panel.bubbles)[:2] == ["My name is Ada.", "Hello, Ada."] and len(panel.bubbles) == 6
        panel.clear()
        assert panel.bubbles == []


def test_a_conversation_is_exported_and_sent_to_the_page_that_asked(gateway: LocalGateway, tmp_path: Path) -> None:
    with paneled(gateway) as (panel, page):
        turn = panel.ask("What is the capital of Portugal?")
        assert turn.text in panel.export(tmp_path / "talk.md").read_text(encoding="utf-8")
        whole = json.loads(panel.export(tmp_path / "talk.json").read_text(encoding="utf-8"))
        assert len(whole["conversation"]) == 2 == len(whole["records"])
        with pytest.raises(aigw.ConfigurationError, match=r"\.md or \.json"):
            panel.export(tmp_path / "talk.pdf")
        page.say("export", suffix=".md", view="v1")
        assert page.of("file")[0]["view"] == "v1" and turn.text in page.of("file")[0]["text"]


def test_sound_and_pictures_are_sent_when_asked_for(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        turn = panel.ask("What do you see?", image=PNG)
        question, answer = panel.bubbles[0], panel.bubbles[-1]
        page.say("clip", id=answer["id"])
        page.say("picture", ref=question["pictures"][0])
        page.until(lambda: bool(page.of("picture")))
        sent = {
            content["kind"]: buffers[0] for content, buffers in page.messages if content["kind"] in ("clip", "picture")
        }
        assert turn.audio is not None
        assert sent == {"clip": turn.audio.data, "picture": PNG}
        assert page.of("clip")[0]["page"] == "page"


def test_too_large_a_picture_is_refused_in_words(gateway: LocalGateway) -> None:
    with paneled(gateway) as (panel, page):
        page.say("ask", [bytes(9 * 1024 * 1024)], text="What is this?")
        page.until(lambda: any("8 MB" in text for text in texts(page.shown(), "notice")))
        assert panel.turns == []


def test_closing_ends_the_session_and_twice_is_fine(gateway: LocalGateway) -> None:
    panel = ChatPanel("openai", gateway=gateway)
    panel.ask("What is 2 times 3?")
    session = panel.session
    panel.close()
    panel.close()
    assert session is not None and session.closed
    assert not portal().loop.is_closed()
