"""Recordings as they are used: from a cell, from the command line, by the providers' own SDKs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from aigw_notebook.connection import connect
from aigw_notebook.endpoint import Gateway
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.gateway.replay import replay
from aigw_notebook.lines import Line
from aigw_notebook.recorded import load
from aigw_notebook.recording import Header, Recording
from tests.sdk import test_cartesia_sdk as cartesia_sdk
from tests.sdk import test_google_sdk as google_sdk
from tests.sdk.calling import call
from tests.sdk.test_google_sdk import without_tls
from tests.speech import spoken, understood

__all__ = ["without_tls"]


def test_a_cell_records_and_another_plays(
    gateway: LocalGateway,
    shell: InteractiveShell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIGW_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("CF_AIG_TOKEN", gateway.token)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    recorded = shell.run_cell("%%aigw openai --no-audio --record talk.aigw\nCount to three.").result
    played = shell.run_cell("%%aigw openai --no-audio --replay talk.aigw\nCount to three.").result
    other = shell.run_cell("%%aigw openai --replay talk.aigw --new\nCount to four.").result
    missing = shell.run_cell("%%aigw openai --replay nowhere.aigw\nCount to three.").result
    assert load("talk.aigw").turns[0].text == recorded.text == played.text != ""
    assert (other, missing) == (None, None)
    assert "nowhere.aigw cannot be read" in capsys.readouterr().err


def test_the_command_plays_a_file(gateway: LocalGateway, tmp_path: Path) -> None:
    with connect("openai", gateway=gateway, quiet=True) as session:
        turn = session.ask("Count to three.")
    path = session.save(tmp_path / "talk.aigw")
    command = [sys.executable, "-m", "aigw_notebook", "replay", str(path), "--speed", "0", "--token", "t0ken"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with connect("openai", gateway=Gateway.embedded(url, token="t0ken"), quiet=True) as again:
            assert again.ask("Count to three.").text == turn.text
    finally:
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0 and "plays a session with openai" in err and "t0ken" not in err


def test_the_command_refuses_what_is_no_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from aigw_notebook.cli import main

    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    assert main(["replay", str(tmp_path / "talk.wav")]) == 2
    assert "talk.wav: this is no recording" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- official SDKs


class Tapped:
    """Notes the frames of the websockets library's clients, new and old: what an SDK of a provider sends and gets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from websockets.asyncio.client import ClientConnection
        from websockets.legacy.client import WebSocketClientProtocol

        self.lines: list[Line] = []
        for client in (ClientConnection, WebSocketClientProtocol):
            self._tap(client, monkeypatch)

    def _tap(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        send, recv = client.send, client.recv

        async def tapped_send(connection: Any, message: Any, *rest: Any, **named: Any) -> None:
            self.lines.append(Line(float(len(self.lines)), "sent", message))
            await send(connection, message, *rest, **named)

        async def tapped_recv(connection: Any, decode: bool | None = None) -> Any:
            message = await recv(connection)
            self.lines.append(Line(float(len(self.lines)), "received", message))
            return message.encode() if decode is False and isinstance(message, str) else message

        monkeypatch.setattr(client, "send", tapped_send)
        monkeypatch.setattr(client, "recv", tapped_recv)

    def recording(self, provider: str) -> Recording:
        from datetime import UTC, datetime

        lines, self.lines[:] = list(self.lines), []
        return Recording(header=Header(session_id="s1", provider=provider, started_at=datetime.now(UTC)), lines=lines)


async def openai(gateway: LocalGateway) -> list[str]:
    async with call(gateway) as calling:
        return [event.to_json() for event in await calling.ask("Count to three.")]


async def google(gateway: LocalGateway) -> list[str]:
    async with google_sdk.live(gateway) as session:
        return [message.model_dump_json() for message in await google_sdk.ask(session, "Count to three.")]


async def cartesia(gateway: LocalGateway) -> list[str]:
    async with cartesia_sdk.connected_async(gateway) as socket:
        context = socket.context(**cartesia_sdk.CONTEXT)
        await context.push("One two three.")
        await context.no_more_inputs()
        return [event.type async for event in context.receive()]


async def elevenlabs(gateway: LocalGateway) -> list[str]:
    import httpx

    from tests.sdk import test_elevenlabs_sdk as sdk  # imported here: it warns of what it makes of websockets

    with httpx.Client() as http:
        base_url = f"{gateway.url}/elevenlabs".replace("ws:", "http:")
        client = sdk.ElevenLabs(api_key="xi", base_url=base_url, httpx_client=http)
        async with sdk.AsyncTalk(client) as talk:
            speaker = talk.speaker
            await sdk.come(lambda: speaker.feed and understood(b"".join(speaker.played)).endswith("help you?"))
            greeting = until_understood(speaker.played, "hello! how can i help you?")
            speaker.played.clear()
            assert speaker.feed is not None
            await speaker.feed(spoken("what is 2 plus 3", silence_ms=800))
            await sdk.come(lambda: understood(b"".join(speaker.played)) == "2 + 3 is 5.")
    answer = until_understood(speaker.played, "2 + 3 is 5.")
    return [*talk.said, *(piece.hex() for piece in greeting + answer)]


def until_understood(pieces: list[bytes], words: str) -> list[bytes]:
    """The pieces of sound up to the one that completes these words: silence may follow, now or a little later."""
    return next(pieces[:n] for n in range(1, len(pieces) + 1) if understood(b"".join(pieces[:n])) == words)


async def deepgram(gateway: LocalGateway) -> list[str]:
    from tests.sdk import test_deepgram_sdk as sdk

    asked: Any = {"model": "nova-3", "encoding": "linear16", "sample_rate": sdk.RATE, "interim_results": True}
    listening = sdk.async_client(gateway).listen.v1.connect(**asked, request_options=sdk.options(gateway))
    async with listening as socket:
        await socket.send_media(spoken("hello there", silence_ms=600))
        await socket.send_finalize()
        messages = await sdk.receive(socket, lambda message: message.from_finalize)
        await socket.send_close_stream()
        messages += await sdk.receive(socket, sdk.is_a(sdk.ListenV1Metadata))
    return [message.model_dump_json() for message in messages]


@pytest.fixture
def public() -> Iterator[LocalGateway]:
    """A gateway without a token: not every SDK has a place for one."""
    with LocalGateway(pace=Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0), authentication=False) as running:
        yield running


TALKS = [openai, google, cartesia, elevenlabs, deepgram]


@pytest.mark.sdk
@pytest.mark.filterwarnings(
    r"ignore:websockets\.:DeprecationWarning", "ignore:ConnectionClosed.code:DeprecationWarning"
)
@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.__name__)
def test_an_official_sdk_plays_a_recording_as_it_plays_the_emulator(
    talk: Callable[[LocalGateway], Coroutine[Any, Any, list[str]]],
    public: LocalGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tapped = Tapped(monkeypatch)
    live = asyncio.run(talk(public))
    recording = tapped.recording(talk.__name__)
    with replay(recording, speed=0, authentication=False) as playing:
        again = asyncio.run(talk(playing))
    assert playing.divergences == []
    assert len(again) == len(live) > 3
    assert again == live
