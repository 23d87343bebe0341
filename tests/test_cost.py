"""Money: every token once, cached ones at their rate, and nothing that is not known as zero."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aigw_notebook as aigw
from aigw_notebook import events, providers
from aigw_notebook.audio.formats import PCM16_16K
from aigw_notebook.cost import Cost, Price, cost_of, price_of, prices
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.events import Usage
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.transcript import Transcript

TOKENS = {
    "input_text": 4.0, "cached_text": 0.5, "input_audio": 32.0, "cached_audio": 0.25, "input_image": 5.0,
    "output_text": 16.0, "output_audio": 64.0,
}  # fmt: skip
FULL = Usage(
    input_tokens=1_000, input_text_tokens=300, input_audio_tokens=600, input_image_tokens=100, cached_tokens=350,
    cached_text_tokens=100, cached_audio_tokens=250, output_tokens=500, output_text_tokens=100, output_audio_tokens=400,
)  # fmt: skip
FULL_PARTS = {
    "input_text": 200 * 4.0, "cached_text": 100 * 0.5, "input_audio": 350 * 32.0, "cached_audio": 250 * 0.25,
    "input_image": 100 * 5.0, "output_text": 100 * 16.0, "output_audio": 400 * 64.0,
}  # fmt: skip
"""In millionths of a dollar."""


@pytest.fixture(autouse=True)
def priced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    prices(
        {
            ("acme", "m1"): Price(TOKENS),
            ("acme", "heard"): Price(per_minute_heard=0.6),
            ("acme", "spoken"): Price(per_1000_characters=0.03),
        }
    )
    yield
    monkeypatch.delenv("AIGW_PRICES", raising=False)
    prices({})


def asked(usage: Usage | None, *, model: str = "m1", where: str = "", question: str = "Hello?") -> Transcript:
    told = Transcript(session_id="s1", provider="acme", model=model, where=where)
    turn = told.start_turn(0.0)
    told.user_said(question, 0.0)
    told.receive(events.ResponseStarted(response_id="r"), 1.0)
    told.receive(events.TextDelta(text="Yes.", response_id="r", item_id="i"), 2.0)
    told.receive(events.ResponseDone(response_id="r", usage=usage), 3.0)
    told.finish_turn(turn, "completed", 3.0)
    return told


def test_cached_tokens_are_a_part_of_their_modality_and_counted_once() -> None:
    cost = asked(FULL).turns[0].cost
    assert cost.parts == pytest.approx({name: money / 1e6 for name, money in FULL_PARTS.items()})
    assert cost.usd == cost.list_usd == pytest.approx(sum(FULL_PARTS.values()) / 1e6)


def test_cached_tokens_of_no_modality_are_text_as_far_as_it_goes() -> None:
    usage = Usage(input_tokens=300, input_text_tokens=100, input_audio_tokens=200, cached_tokens=150)
    parts = asked(usage).turns[0].cost.parts
    counts = {name: round(money * 1e6 / TOKENS[name]) for name, money in parts.items() if money}
    assert counts == {"cached_text": 100, "input_audio": 150, "cached_audio": 50}


def test_without_a_cached_rate_cached_tokens_cost_what_others_do() -> None:
    prices({("acme", "m1"): Price({"input_text": 4.0, "output_text": 16.0})})
    usage = Usage(input_tokens=100, input_text_tokens=100, cached_tokens=40, output_tokens=0)
    assert asked(usage).cost.usd == pytest.approx(400 / 1e6)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7))
def test_every_token_read_is_counted_once_whatever_is_cached(text: int, audio: int, cached: int) -> None:
    flat = Price(dict.fromkeys(TOKENS, 1.0))
    usage = Usage(input_tokens=text + audio, input_text_tokens=text, input_audio_tokens=audio, cached_tokens=cached)
    prices({("acme", "m1"): flat})
    assert asked(usage).cost.usd == pytest.approx((text + audio) / 1e6)


@pytest.mark.parametrize(
    "usage",
    [None, Usage(input_tokens=5, output_tokens=5), Usage(input_text_tokens=5, output_tokens=7)],
    ids=["none", "no modality", "no modality written"],
)
def test_what_the_provider_did_not_tell_is_not_known(usage: Usage | None) -> None:
    cost = asked(usage).turns[0].cost
    assert (cost.usd, cost.list_usd, cost.unknown) == (None, None, 1)


def test_a_price_that_is_not_known_is_not_zero() -> None:
    assert asked(FULL, model="nobody").cost.usd is None
    prices({("acme", "m1"): Price({"input_text": 4.0})})
    assert asked(FULL).cost.usd is None
    assert "not known" in repr(asked(FULL).cost)


def test_the_sum_says_how_much_of_it_is_not_known() -> None:
    told = asked(FULL)
    turn = told.start_turn(10.0)
    told.receive(events.ResponseStarted(response_id="r2"), 11.0)
    told.receive(events.TextDelta(text="Yes.", response_id="r2", item_id="i2"), 12.0)
    told.finish_turn(turn, "cancelled", 13.0)
    assert told.cost.usd == told.turns[0].cost.usd
    assert told.cost.unknown == 1
    assert (Cost(usd=1.0, parts={"a": 1.0}) + Cost(usd=2.0, parts={"a": 1.5, "b": 0.5})).parts == {"a": 2.5, "b": 0.5}


def test_minutes_and_characters_are_counted_from_the_records() -> None:
    spoken = asked(None, model="spoken", question="x" * 500)
    assert spoken.cost.parts == pytest.approx({"characters": 0.015})
    heard = Transcript(session_id="s1", provider="acme", model="heard")
    turn = heard.start_turn(0.0)
    heard.user_audio(bytes(2 * 16_000 * 30), PCM16_16K, 1.0)
    heard.finish_turn(turn, "completed", 2.0)
    assert heard.cost.usd == pytest.approx(0.3)


def test_nothing_said_costs_nothing() -> None:
    assert Transcript(session_id="s1", provider="acme", model="nobody").cost.usd == 0.0
    assert cost_of([], provider="acme", model="nobody").usd == 0.0


def test_the_embedded_gateway_is_free_and_says_what_it_would_cost(gateway: LocalGateway) -> None:
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        turn = session.ask("Count to three.")
    assert turn.cost.usd == session.cost.usd == 0.0
    assert session.cost.list_usd and session.cost.list_usd > 0.0
    assert session.cost.list_usd == pytest.approx(sum(turn.cost.parts.values()))
    with aigw.connect("fal", gateway=gateway, quiet=True) as session:
        session.ask("A boat.")
    assert (session.cost.usd, session.cost.list_usd) == (0.0, None)


def test_every_built_in_price_has_a_day_a_source_and_a_provider() -> None:
    prices({})
    found = prices()
    assert {name for name, _ in found} <= set(providers.BUILT_IN)
    for (name, model), price in found.items():
        assert model and date.fromisoformat(price.as_of) and price.source.startswith("https://"), (name, model)
        rates = [*price.tokens.values(), price.per_minute_heard, price.per_1000_characters]
        assert any(rates) and all(rate is None or rate > 0 for rate in rates)
        assert price.tokens.get("cached_text", 0.0) <= price.tokens.get("input_text", 0.0)


def test_a_file_of_the_users_holds_over_the_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.json"
    entry = {"provider": "openai", "models": ["gpt-realtime-2.1"], "per_million_tokens": {"input_text": 1}}
    path.write_text(json.dumps({"prices": [entry]}), encoding="utf-8")
    monkeypatch.setenv("AIGW_PRICES", str(path))
    assert (
        price_of("openai", "gpt-realtime-2.1") == prices()["openai", "gpt-realtime-2.1"] == Price({"input_text": 1.0})
    )


@pytest.mark.parametrize(
    "text", ["", "[]", '{"prices": [{"provider": "a", "models": ["b"], "per_million_tokens": {"x": 1}}]}']
)
def test_a_file_that_cannot_be_read_is_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("AIGW_PRICES", str(path))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        price_of("openai", "gpt-realtime-2.1")
