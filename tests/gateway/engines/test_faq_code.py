"""Every line of code in the FAQ runs as it stands, in a notebook's shell, against the embedded gateway."""

from __future__ import annotations

import getpass
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

import aigw_notebook as aigw
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines.faq import Entry, entries
from aigw_notebook.gateway.engines.tones import ToneVoice

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8db0"
    "0000000049454e44ae426082"
)


@pytest.fixture
def gateway() -> Iterator[aigw.LocalGateway]:
    pace = Pace(first_token_ms=1.0, text_delta_ms=0.0, audio_speed=0.0)
    with aigw.LocalGateway(pace=pace, token="faq-token") as gateway:
        yield gateway


@pytest.fixture
def connected(gateway: aigw.LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_GATEWAY_URL", gateway.url)
    for name in ("CF_AIG_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_GATEWAY_ID"):
        monkeypatch.setenv(name, gateway.token)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: gateway.token)


def question_wav(path: Path) -> None:
    pcm = b"".join(ToneVoice().speak("What is 1 plus 1?", sample_rate=24_000))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(pcm)


def namespace(session: aigw.Session) -> dict[str, Any]:
    import pandas

    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    chunk = np.zeros(1600, dtype="<i2")
    return {"aigw": aigw, "pd": pandas, "Path": Path, "session": session, "weather": weather, "chunk": chunk}


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("entry", [entry for entry in entries() if entry.code], ids=lambda entry: entry.id)
def test_the_code_runs(
    entry: Entry, shell: InteractiveShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question_wav(tmp_path / "question.wav")
    (tmp_path / "picture.png").write_bytes(PIXEL)
    opened = [aigw.connect("openai", quiet=True).open()]
    shell.user_ns.update(namespace(opened[0]))
    shell.user_ns["turn"] = opened[0].ask("What is 17 times 23?")
    try:
        for cell in entry.code.split("\n\n"):
            result = shell.run_cell(cell)
            assert result.success, f"{cell}\n{result.error_before_exec or result.error_in_exec}"
    finally:
        for session in [*opened, shell.user_ns["session"]]:
            if isinstance(session, aigw.Session):
                session.close()
    assert "aigw: " not in capsys.readouterr().err
