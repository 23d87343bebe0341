"""Saying no: each sentence names who has what was asked, as the registry knows it."""

from __future__ import annotations

from typing import Any

import pytest

from aigw_notebook import providers
from aigw_notebook.audio.formats import PCM16_24K, ULAW_8K, AudioFormat
from aigw_notebook.errors import LocalProtocolError, Unsupported
from aigw_notebook.events import CancelResponse, ProviderMessage, TruncateOutput
from aigw_notebook.providers import SessionSettings, TurnDetection
from aigw_notebook.providers.limits import (
    check_modalities,
    no_format,
    or_elsewhere,
    refuse_settings,
    sayer,
)
from aigw_notebook.session.needs import need


def test_one_is_named_for_each_provider_by_what_to_connect_to() -> None:
    for capability in ("tools", "text_in", "cancel", "semantic_turns"):
        able = providers.with_capability(capability)
        assert able and len({address.partition(":")[0] for address in able}) == len(able)
        for address in able:
            name, _, model = address.partition(":")
            assert getattr(providers.get(name).for_model(model or None).capabilities, capability)


def test_a_listed_thing_is_looked_for_in_the_list() -> None:
    odd = AudioFormat("pcm16", 12_345)
    assert providers.with_capability("output_formats", odd) == []
    able = providers.with_capability("output_formats", ULAW_8K)
    assert able and set(able) < set(providers.with_capability("output_formats"))


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """One other provider, which has everything; what was looked for."""
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(providers, "with_capability", lambda *wish: asked.append(wish) or ["acme"])
    return asked


@pytest.mark.parametrize(
    ("settings", "wish"),
    [
        ({"temperature": 1.0}, ("temperature",)),
        ({"voice": "any"}, ("voices",)),
        ({"tool_choice": "auto"}, ("tools",)),
        ({"turn_detection": TurnDetection(mode="semantic")}, ("semantic_turns",)),
        ({"modalities": ("image",)}, ("image_out",)),
        ({"output_format": ULAW_8K}, ("output_formats", ULAW_8K)),
    ],
)
def test_a_setting_is_looked_for_by_its_capability(
    settings: dict[str, Any], wish: tuple[Any, ...], acme: list[tuple[Any, ...]]
) -> None:
    with pytest.raises(Unsupported, match=rf"^Odd takes no {next(iter(settings))}: leave it out, or use acme$"):
        refuse_settings("Odd", SessionSettings(**settings), known=())
    assert acme == [wish]


def test_answers_formats_and_events_too(acme: list[tuple[Any, ...]]) -> None:
    with pytest.raises(Unsupported, match=r"ask for \('audio',\), or use acme$"):
        check_modalities("Odd", "text", known=[("audio",)])
    assert str(no_format("Odd", ULAW_8K, str(PCM16_24K), "input_formats")).endswith("use pcm16 24000 Hz, or use acme")
    with pytest.raises(Unsupported, match=r"leave it out, or use acme$"):
        sayer("Odd", {}, TruncateOutput(item_id="i", played_ms=1))
    assert acme == [("text_out",), ("input_formats", ULAW_8K), ("truncation",)]


def test_what_nobody_has_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "with_capability", lambda *wish: [])
    assert or_elsewhere("temperature") == or_elsewhere("no_capability") == or_elsewhere(None) == ""
    with pytest.raises(Unsupported, match=r"^Odd has no message for CancelResponse: leave it out$"):
        sayer("Odd", {}, CancelResponse())
    with pytest.raises(Unsupported, match=r"leave it out$"):
        sayer("Odd", {}, ProviderMessage(message={}))
    with pytest.raises(LocalProtocolError, match=r"^int is no client event"):
        sayer("Odd", {}, 7)
    assert sayer("Odd", {int: setattr}, 7) is setattr


def test_a_need_says_whom_to_use() -> None:
    listener, speaker = providers.get("deepgram"), providers.get("cartesia")
    with pytest.raises(Unsupported, match=r"^Deepgram nova has no text input: use .*\bdeepgram:aura-2-thalia-en\b"):
        need(listener, "text_in", "text input")
    with pytest.raises(Unsupported, match=r"^Cartesia has no spoken input: use openai or "):
        need(speaker, "audio_in", "spoken input")
