"""Peers that misbehave: each ends in one clear sentence, the partial turn is kept, nothing is left running."""

from __future__ import annotations

import asyncio
import json
import threading
from types import MappingProxyType
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

import aigw_notebook as aigw
from aigw_notebook.errors import (
    AigwError,
    ConfigurationError,
    SessionBusy,
    SessionEnded,
    TurnTimeout,
    Unauthorized,
    UnknownProvider,
    Unreachable,
    Unsupported,
    UpstreamRefused,
)
from aigw_notebook.events import RawEvent, SessionError
from tests.peer import Peer, stay

pytestmark = pytest.mark.sessions

SECRET = "cfut-planted-SECRET-0123456789"


def connect(peer: Peer, **settings):
    return aigw.connect("openai", gateway=peer.gateway, quiet=True, **settings)


def one_sentence(error: BaseException) -> str:
    text = str(error)
    assert text and "\n" not in text and len(text) < 400, text
    return text


async def well_behaved(peer: Peer, socket: ServerConnection) -> None:
    await peer.greet(socket)
    for number in range(1, 10):
        await peer.begin(socket, f"resp_{number}")
        await peer.text(socket, "Hel", "lo", response_id=f"resp_{number}")
        await peer.done(socket, f"resp_{number}")


def test_a_turn_on_a_peer_that_says_the_least() -> None:
    with Peer(well_behaved) as peer, connect(peer) as session:
        turn = session.ask("hi")
        assert (turn.text, turn.status, turn.audio) == ("Hello", "completed", None)
        assert session.ask("again").text == "Hello"
        assert [row["role"] for row in session.records] == ["user", "assistant"] * 2


def test_unknown_provider() -> None:
    with pytest.raises(UnknownProvider, match="did you mean 'openai'"):
        aigw.connect("openia")


def test_unreachable_host_names_the_address() -> None:
    gateway = aigw.Gateway.from_url("ws://127.0.0.1:9/v1/acct/gw", token=SECRET)
    with pytest.raises(Unreachable) as caught:
        aigw.connect("openai", gateway=gateway).open()
    assert "127.0.0.1:9" in one_sentence(caught.value)
    assert SECRET not in str(caught.value) + repr(caught.value)


def test_refused_upgrade_tells_status_and_code() -> None:
    body = '{"success":false,"result":[],"messages":[],"error":[{"code":2009,"message":"Unauthorized"}]}'

    def refuse(connection, request):
        return connection.respond(401, body)

    with Peer(well_behaved, process_request=refuse) as peer:
        with pytest.raises(Unauthorized) as caught:
            connect(peer).open()
        assert caught.value.status == 401 and caught.value.code == 2009
        assert "cf-aig-authorization" in one_sentence(caught.value)


def test_upgrade_then_1006_is_diagnosed() -> None:
    async def drop(peer: Peer, socket: ServerConnection) -> None:
        await socket.recv()
        socket.transport.abort()

    with Peer(drop) as peer:
        with pytest.raises(UpstreamRefused) as caught:
            connect(peer).open()
        assert caught.value.close_code == 1006
        assert "direct=True" in one_sentence(caught.value)


def test_a_provider_that_never_speaks() -> None:
    async def silent(peer: Peer, socket: ServerConnection) -> None:
        await stay(socket)

    with Peer(silent) as peer:
        with pytest.raises(UpstreamRefused, match="did not get ready within 0.2 s") as caught:
            connect(peer, timeout_s=0.2).open()
        one_sentence(caught.value)


def test_unknown_model_is_told_with_the_providers_words() -> None:
    async def refuse(peer: Peer, socket: ServerConnection) -> None:
        error = {"type": "invalid_request_error", "code": "invalid_model", "message": "Model x is not supported."}
        await peer.say(socket, "error", error=error)
        await socket.close(4000, "invalid_request_error.invalid_model")

    with Peer(refuse) as peer:
        with pytest.raises(AigwError) as caught:
            connect(peer, model="x").open()
        assert "Model x is not supported." in one_sentence(caught.value)


@pytest.mark.bad_frames(reason="the setting that is refused is none of the provider's")
def test_refused_settings_name_the_setting() -> None:
    async def refuse(peer: Peer, socket: ServerConnection) -> None:
        session = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": "gpt-realtime-2.1"}
        await peer.say(socket, "session.created", session=session)
        update = await peer.hear(socket, "session.update")
        error = {
            "type": "invalid_request_error",
            "code": "unknown_parameter",
            "message": "Unknown parameter: 'session.shoe_size'.",
            "event_id": update["event_id"],
        }
        await peer.say(socket, "error", error=error)
        await stay(socket)

    with Peer(refuse) as peer, pytest.raises(ConfigurationError, match="session.shoe_size"):
        connect(peer, options={"shoe_size": 43}).open()


def test_an_answer_that_never_comes_keeps_the_session() -> None:
    async def late(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        await peer.text(socket, "Hel")
        await peer.hear(socket, "response.cancel")
        await peer.done(socket, status="cancelled")
        await peer.begin(socket, "resp_2")
        await peer.text(socket, "yes", response_id="resp_2")
        await peer.done(socket, "resp_2")
        await stay(socket)

    with Peer(late) as peer, connect(peer) as session:
        with pytest.raises(TurnTimeout) as caught:
            session.ask("hi", timeout_s=0.2)
        one_sentence(caught.value)
        assert isinstance(caught.value, TimeoutError)
        turn = caught.value.turn
        assert turn is not None and (turn.text, turn.status) == ("Hel", "timeout")
        assert session.ask("are you there?").text == "yes"


def test_a_request_never_taken_up_does_not_lock_the_session() -> None:
    async def deaf(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.hear(socket, "response.create")
        await peer.begin(socket, "resp_2")
        await peer.text(socket, "now", response_id="resp_2")
        await peer.done(socket, "resp_2")
        await stay(socket)

    with Peer(deaf) as peer, connect(peer) as session:
        with pytest.raises(TurnTimeout):
            session.ask("hi", timeout_s=0.2)
        assert session.ask("hi?", timeout_s=0.5).text == "now"


def test_the_session_lost_in_mid_turn_keeps_what_came() -> None:
    async def drop(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        await peer.text(socket, "Half an ans")
        socket.transport.abort()

    with Peer(drop) as peer:
        session = connect(peer).open()
        with pytest.raises(SessionEnded) as caught:
            session.ask("hi")
        assert caught.value.close_code == 1006
        turn = caught.value.turn
        assert turn is not None and (turn.text, turn.status) == ("Half an ans", "lost")
        assert session.closed
        assert [row["kind"] for row in session.records] == ["text", "text", "closed"]
        with pytest.raises(SessionEnded):
            session.ask("hi?")
        session.close()


def test_second_ask_while_one_runs() -> None:
    ready = threading.Event()

    async def slow(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        ready.set()
        await peer.hear(socket, "response.cancel")
        await peer.done(socket, status="cancelled")
        await stay(socket)

    with Peer(slow) as peer, connect(peer) as session:
        first: list[aigw.Turn] = []
        thread = threading.Thread(target=lambda: first.append(session.ask("one")))
        thread.start()
        assert ready.wait(5)
        with pytest.raises(SessionBusy, match="interrupt"):
            session.ask("two")
        session.interrupt()
        thread.join(5)
        assert first[0].status == "interrupted"


def test_malformed_and_unknown_messages_do_not_end_a_session() -> None:
    async def odd(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        await socket.send("{this is no JSON")
        await socket.send("[1, 2]")
        await peer.say(socket, "response.smell.delta", delta="roses")
        await peer.text(socket, "fine")
        await peer.done(socket)
        await stay(socket)

    seen = []
    with Peer(odd) as peer, connect(peer) as session:
        session.core.add_sink(seen.append)
        turn = session.ask("hi")
        assert (turn.text, turn.status) == ("fine", "completed")
        assert [event.kind for event in seen if isinstance(event, RawEvent)] == ["response.smell.delta"]
        assert [event.code for event in seen if isinstance(event, SessionError)] == ["malformed_message"] * 2
        assert [row["error_code"] for row in turn.records if row["kind"] == "error"] == ["malformed_message"] * 2


def test_a_20_mib_message_is_taken() -> None:
    size = 20 * 1024 * 1024

    async def big(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        await peer.text(socket, "x" * size)
        await peer.done(socket)
        await stay(socket)

    with Peer(big) as peer, connect(peer) as session:
        assert len(session.ask("hi").text) == size


def test_a_message_beyond_the_limit_ends_the_session_with_1009() -> None:
    async def huge(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        await socket.send(b"x" * (33 * 1024 * 1024))

    with Peer(huge) as peer:
        session = connect(peer).open()
        with pytest.raises(SessionEnded) as caught:
            session.ask("hi")
        assert caught.value.close_code == 1009
        session.close()


@pytest.mark.parametrize("text", ["", "   ", None, "\n\t"])
def test_empty_prompt(text: str | None) -> None:
    with Peer(well_behaved) as peer, connect(peer) as session:
        with pytest.raises(ConfigurationError, match="empty"):
            session.ask(text)
        assert session.records == []
        assert session.ask("hi").text == "Hello"


def test_what_the_provider_lacks_is_refused_before_anything_opens() -> None:
    with pytest.raises(Unsupported, match="temperature"):
        aigw.connect("openai", temperature=0.3)


@pytest.mark.parametrize(
    ("provider", "asked", "said"),
    [
        ("google", {"temperature": 99}, "google takes a temperature of 0 to 2, not 99"),
        ("google", {"temperature": -0.1}, "google takes a temperature of 0 to 2, not -0.1"),
        ("google", {"voice": {"id": "x"}}, "takes no dict as voice: give the voice's name or id as text"),
        ("elevenlabs", {"voice": {"id": "x"}}, "takes no dict as voice"),
        ("elevenlabs:tts", {"voice": {"id": "x"}}, "takes no dict as voice"),
        ("elevenlabs:tts-stream", {"voice": {"id": "x"}}, "takes no dict as voice"),
        ("deepgram:aura-2-thalia-en", {"voice": {"id": "x"}}, "takes no dict as voice"),
        ("workers-ai:aura-1", {"voice": {"id": "x"}}, "takes no dict as voice"),
        ("elevenlabs:tts", {"model": "x"}, "the model was given twice, in 'elevenlabs:tts' and as model='x'"),
        ("openai:gpt-realtime", {"model": "gpt-realtime-2"}, "the model was given twice"),
        ("openai", {"options": {"x": {1, 2}}}, "options is not JSON (it holds a value of type set)"),
        ("cartesia", {"options": {"x": [{"y": float("nan")}]}}, "options is not JSON"),
        ("deepgram", {"options": {"x": b"y"}}, "options is not JSON (it holds a value of type bytes)"),
        ("fal", {"options": {"x": object()}}, "options is not JSON (it holds a value of type object)"),
    ],
)
def test_what_nobody_could_take_is_refused_by_connect(provider: str, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        aigw.connect(provider, **asked)
    assert said in one_sentence(caught.value)


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ("google", {"temperature": 0}),
        ("google", {"temperature": 2}),
        ("openai", {"voice": {"id": "x"}}),
        ("cartesia", {"voice": {"mode": "embedding", "embedding": [0.5]}}),
        ("openai:gpt-realtime", {"model": "gpt-realtime"}),
        ("openai", {"options": MappingProxyType({"x": MappingProxyType({"y": (1, None, True, "ü")})})}),
    ],
)
def test_what_somebody_takes_is_left_to_the_provider(provider: str, asked: dict[str, Any]) -> None:
    assert "not open" in repr(aigw.connect(provider, **asked))


def test_busy_error_from_the_provider_never_reaches_the_caller() -> None:
    """The provider began to answer by itself in the same moment: the request is made again."""

    async def busy(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        create = await peer.hear(socket, "response.create")
        await peer.say(socket, "response.created", response=_response("resp_0", "in_progress"))
        error = {
            "type": "invalid_request_error",
            "code": "conversation_already_has_active_response",
            "message": "Conversation already has an active response in progress: resp_0.",
            "event_id": create["event_id"],
        }
        await peer.say(socket, "error", error=error)
        await peer.text(socket, "First. ", response_id="resp_0")
        await peer.done(socket, "resp_0")
        await peer.begin(socket, "resp_1")
        await peer.text(socket, "Second.")
        await peer.done(socket)
        await stay(socket)

    with Peer(busy) as peer, connect(peer) as session:
        turn = session.ask("hi")
        assert turn.status == "completed" and turn.text.endswith("Second.")
        assert not [row for row in session.records if row["kind"] == "error"]


def _response(response_id: str, status: str) -> dict:
    from tests.peer import response

    return response(response_id, status)


def test_late_deltas_of_a_cancelled_response_are_dropped() -> None:
    cancelled = threading.Event()

    async def late(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        await peer.text(socket, "kept")
        await peer.hear(socket, "response.cancel")
        cancelled.set()
        await peer.text(socket, " dropped", " dropped")
        await peer.done(socket, status="cancelled")
        await peer.begin(socket, "resp_2")
        await peer.text(socket, "new", response_id="resp_2")
        await peer.done(socket, "resp_2")
        await stay(socket)

    with Peer(late) as peer, connect(peer) as session:
        with pytest.raises(TurnTimeout):
            session.ask("hi", timeout_s=0.1)
        assert cancelled.wait(5)
        assert session.ask("next").text == "new"
        assert session.turns[0].text == "kept"
        assert session.transcript.late_events_dropped == 2


def test_cancelling_the_caller_cancels_the_answer() -> None:
    begun = threading.Event()

    async def slow(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.begin(socket)
        await peer.text(socket, "some")
        begun.set()
        await peer.hear(socket, "response.cancel")
        await peer.done(socket, status="cancelled")
        await stay(socket)

    async def main(peer: Peer) -> None:
        async with connect(peer) as session:
            task = asyncio.create_task(session.ask("hi"))
            await asyncio.to_thread(begun.wait, 5)
            while not session.turns[0].text:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(session.core.turn_settled.wait, 5)
            assert (session.turns[0].text, session.turns[0].status) == ("some", "cancelled")

    with Peer(slow) as peer:
        asyncio.run(main(peer))
        assert any(message["type"] == "response.cancel" for message in peer.received)


def test_a_raising_sink_is_dropped_once(caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def bad(event) -> None:
        calls.append(event)
        raise ValueError("no")

    with Peer(well_behaved) as peer, connect(peer) as session:
        session.core.add_sink(bad)
        assert session.ask("hi").text == "Hello"
        assert len(calls) == 1 and session.core.sinks.dropped == 1
    assert caplog.text.count("was dropped") == 1


def test_nothing_secret_in_logs_or_reprs(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets").setLevel(logging.DEBUG)
    with Peer(well_behaved) as peer:
        gateway = aigw.Gateway.from_url(f"ws://127.0.0.1:{peer.port}/v1/acct/gw", token=SECRET)
        for auth in ("header", "subprotocol"):
            connection = aigw.connect("openai", gateway=gateway, api_key="sk-planted-KEY-42", auth=auth, quiet=True)
            with connection as session:
                turn = session.ask("hi")
                shown = [repr(session), repr(session.core.endpoint), repr(connection), repr(turn), repr(gateway)]
                shown += [session.where, json.dumps(session.records), str(vars(session.core.settings.__class__))]
        sent = str(peer.requests[0].headers) + str(peer.requests[1].headers)
        assert SECRET in sent and "sk-planted-KEY-42" in sent
    client_log = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("websockets.server"))
    for secret in (SECRET, "sk-planted-KEY-42"):
        assert secret not in "\n".join(shown) + client_log


def test_a_redirect_is_not_followed_and_shows_the_token_to_nobody() -> None:
    asked = []

    async def elsewhere(peer: Peer, socket: ServerConnection) -> None:
        await stay(socket)

    def listen(connection, request):
        asked.append(dict(request.headers))
        return connection.respond(403, "no")

    with Peer(elsewhere, process_request=listen) as other:

        def redirect(connection, request):
            answer = connection.respond(302, "")
            answer.headers["Location"] = f"ws://localhost:{other.port}/login"
            return answer

        with Peer(well_behaved, process_request=redirect) as peer, pytest.raises(AigwError) as caught:
            connect(peer).open()
    assert caught.value.status == 302 and not asked
    one_sentence(caught.value)
