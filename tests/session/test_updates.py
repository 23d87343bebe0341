"""Changes of a running session: taken, refused, or never answered, and in each case clear to the caller."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection

import aigw_notebook as aigw
from aigw_notebook.errors import SessionEnded, TurnTimeout, UpstreamRefused
from aigw_notebook.events import SessionUpdate
from aigw_notebook.session import updates
from tests.peer import Peer, stay
from tests.session.conftest import connect as through


def connect(peer: Peer) -> aigw.Connection:
    return aigw.connect("openai", gateway=peer.gateway, quiet=True)


@pytest.mark.bad_frames(reason="the setting that is refused is none of the provider's")
def test_a_refused_change_raises_and_changes_nothing(fast: aigw.LocalGateway) -> None:
    with through(fast, modalities="text") as session:
        before = session.settings
        with pytest.raises(UpstreamRefused, match="refused the change, and nothing was changed: .*shoe_size") as caught:
            session.update(instructions="Shout", options={"shoe_size": 43})
        assert caught.value.code == "unknown_parameter"
        assert session.settings == before
        assert [row["kind"] for row in session.records] == ["error"]
        session.update(instructions="Use capital letters")
        assert session.settings.instructions == "Use capital letters"
        assert session.ask("What is 1 plus 1?").status == "completed"


def test_a_voice_is_fixed_once_it_was_heard(fast: aigw.LocalGateway) -> None:
    with through(fast) as session:
        session.update(voice="cedar")
        assert session.ask("Say hello").audio is not None
        with pytest.raises(UpstreamRefused) as caught:
            session.update(voice="marin")
        assert caught.value.code == "cannot_update_voice"
        assert session.settings.voice == "cedar"


def test_the_awaited_form_raises_too(fast: aigw.LocalGateway) -> None:
    async def change() -> None:
        async with through(fast) as session:
            await session.ask("Say hello")
            with pytest.raises(UpstreamRefused):
                await session.update(voice="cedar")

    asyncio.run(change())


def test_a_change_sent_as_an_event_is_not_waited_for(fast: aigw.LocalGateway) -> None:
    with through(fast, modalities="text") as session:
        session.send(SessionUpdate(changes={"instructions": "Use capital letters"}))
        session.update(instructions="Speak like a poet")
        assert session.settings.instructions == "Speak like a poet"


def test_a_change_that_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.hear(socket, "session.update")
        await stay(socket)

    monkeypatch.setattr(updates, "WAIT_S", 0.1)
    with Peer(silent) as peer, connect(peer) as session:
        with pytest.raises(TurnTimeout, match="did not answer the change"):
            session.update(instructions="Be brief")
        assert session.settings.instructions is None
        assert not session.closed


def test_a_session_that_ends_while_it_is_changed() -> None:
    async def leave(peer: Peer, socket: ServerConnection) -> None:
        await peer.greet(socket)
        await peer.hear(socket, "session.update")
        await socket.close(1011, "gone")

    with Peer(leave) as peer, connect(peer) as session:
        with pytest.raises(SessionEnded, match="1011"):
            session.update(instructions="Be brief")
        assert session.settings.instructions is None


def test_a_provider_that_answers_no_change_is_not_waited_for(fast: aigw.LocalGateway) -> None:
    with aigw.connect("google", gateway=fast, quiet=True) as session:
        session.update(instructions="Use capital letters")
        assert session.settings.instructions == "Use capital letters"


def test_the_turns_of_one_that_listens_can_change(fast: aigw.LocalGateway) -> None:
    with aigw.connect("deepgram:flux-general-en", gateway=fast, quiet=True) as session:
        session.update(turn_detection=aigw.TurnDetection(threshold=0.8))
        assert session.settings.turn_detection == aigw.TurnDetection(threshold=0.8)
        session.update(turn_detection=aigw.TurnDetection(mode="manual", threshold=0.8))
        assert session.settings.turn_detection.mode == "manual"
