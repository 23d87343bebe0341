"""Money: every token once, cached ones at their rate, and nothing that is not known as zero."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aigw_notebook as aigw
from aigw_notebook import cost, events, providers
from aigw_notebook.audio.formats import PCM16_16K
from aigw_notebook.cost import Cost, Price, cost_of, price_of, prices, usd_of_turn
from aigw_notebook.errors import ConfigurationError
from aigw_notebook.events import Usage
from aigw_notebook.gateway.local import LocalGateway
from aigw_notebook.log import close_writers
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
def priced() -> Iterator[None]:
    prices(
        {
            ("acme", "m1"): Price(TOKENS),
            ("acme", "heard"): Price(per_minute_heard=0.6),
            ("acme", "spoken"): Price(per_1000_characters=0.03),
        }
    )
    yield
    cost._own.clear()


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


# -------------------------------------------------------------------------------------------------- a file of one's own

ENTRY = {"provider": "acme", "models": ["m1", "m2"], "as_of": "2026-11-22", "per_million_tokens": {"input_text": 1}}


def in_home(monkeypatch: pytest.MonkeyPatch, folder: Path, text: object) -> Path:
    """A price file in the package's folder."""
    monkeypatch.setenv("AIGW_NOTEBOOK_HOME", str(folder))
    path = folder / "prices.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def test_the_file_in_the_packages_folder_is_merged_over_the_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices({})
    before = prices()
    known = {**ENTRY, "provider": "openai", "models": ["gpt-realtime-2.1", "gpt-realtime-9"]}
    path = in_home(monkeypatch, tmp_path, {"currency": "USD", "prices": [known, ENTRY]})
    mine = Price({"input_text": 1.0}, as_of="2026-11-22")
    given = {("openai", "gpt-realtime-2.1"), ("openai", "gpt-realtime-9"), ("acme", "m1"), ("acme", "m2")}
    assert prices() == {**before, **dict.fromkeys(given, mine)}
    prices({("acme", "m1"): Price({"input_text": 2.0})})
    assert price_of("acme", "m1") == Price({"input_text": 2.0}) and price_of("acme", "m2") == mine
    path.write_text(json.dumps({"prices": [{**ENTRY, "per_million_tokens": {"input_text": 1.25}}]}), encoding="utf-8")
    changed = price_of("acme", "m2")
    assert changed is not None and changed.tokens == {"input_text": 1.25}
    path.unlink()
    assert price_of("acme", "m2") is None


def test_the_file_that_the_environment_names_is_read_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_home(monkeypatch, tmp_path, {"prices": [ENTRY]})
    other = tmp_path / "contract.json"
    other.write_text(json.dumps({"prices": [{**ENTRY, "models": ["m3"]}]}), encoding="utf-8")
    monkeypatch.setenv("AIGW_PRICES", str(other))
    assert (price_of("acme", "m2"), price_of("acme", "m3")) == (None, Price({"input_text": 1.0}, as_of="2026-11-22"))
    other.unlink()
    with pytest.raises(ConfigurationError, match=r"contract.json cannot be read \(No such file.*unset AIGW_PRICES"):
        price_of("acme", "m3")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting"),
        ("[]", "has no attribute"),
        ({"entries": []}, "no 'prices'"),
        ({"prices": [{"models": ["m"], "per_minute_heard": 1}]}, "no 'provider'"),
        ({"currency": "EUR", "prices": []}, "the currency is 'EUR': give US dollars"),
        ({"prices": [{**ENTRY, "per_minute": 1}]}, "per_minute is none of as_of, models, per_1000_characters"),
        ({"prices": [{**ENTRY, "per_million_tokens": {"text": 1}}]}, "text is none of cached_audio"),
        ({"prices": [{**ENTRY, "per_million_tokens": {"input_text": -1}}]}, "-1 is no rate"),
        ({"prices": [{**ENTRY, "per_minute_heard": "0.1"}]}, "'0.1' is no rate"),
        ({"prices": [{**ENTRY, "as_of": "last week"}]}, "last week"),
        ({"prices": [{**ENTRY, "per_million_tokens": {}}]}, "an entry of acme has no rate"),
    ],
)
def test_a_file_in_disorder_is_one_error_that_names_it(
    text: object, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_home(monkeypatch, tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        aigw.connect("openai")
    assert str(caught.value).startswith(f"the prices in {path} cannot be read (") and why in str(caught.value)
    assert str(caught.value).endswith("write them as docs/cost.md says, or move the file away")
    told = asked(FULL)
    assert usd_of_turn(told.turns[0]) is None
    assert [row["cost_usd"] for row in told.records] == [None, None]
    with pytest.raises(ConfigurationError, match="cannot be read"):
        _ = told.cost


# ---------------------------------------------------------------------------------------------------------- in the rows


def paid(gateway: LocalGateway) -> aigw.Gateway:
    """The same gateway as one that nobody knows to be an emulator: its answers cost the list price."""
    return aigw.Gateway.from_url(gateway.url, token=gateway.token)


def test_money_stands_where_the_tokens_do_and_adds_up_to_the_turn() -> None:
    told = asked(FULL)
    user, answer = told.records
    assert user["cost_usd"] is None and answer["cost_usd"] == told.turns[0].cost.usd == told.cost.usd
    assert [row["cost_usd"] for row in told.turns[0].records] == [None, answer["cost_usd"]]
    assert list(answer)[-1] == "cost_usd"


def test_minutes_and_characters_stand_at_what_the_user_said() -> None:
    user, answer = asked(None, model="spoken", question="x" * 500).records
    assert (user["cost_usd"], answer["cost_usd"]) == (pytest.approx(0.015), None)
    heard = Transcript(session_id="s1", provider="acme", model="heard")
    turn = heard.start_turn(0.0)
    heard.user_audio(bytes(2 * 16_000 * 30), PCM16_16K, 1.0)
    heard.finish_turn(turn, "completed", 2.0)
    assert [row["cost_usd"] for row in heard.records] == [heard.cost.usd]


@pytest.mark.parametrize("usage", [None, Usage(input_tokens=5, output_tokens=5)], ids=["none", "no modality"])
def test_a_row_of_unknown_cost_is_null_and_never_zero(usage: Usage | None) -> None:
    assert {row["cost_usd"] for row in asked(usage).records} == {None}
    assert {row["cost_usd"] for row in asked(FULL, model="nobody").records} == {None}


def test_rows_of_the_embedded_gateway_cost_nothing(gateway: LocalGateway) -> None:
    for provider in ("openai", "fal"):
        with aigw.connect(provider, gateway=gateway, quiet=True) as session:
            session.ask("A boat.")
        assert {row["cost_usd"] for row in session.records} == {0.0} == {session.turns[0].cost.usd}


def told_everywhere(session: aigw.Session, path: Path) -> dict[str, list[float | None]]:
    """The column by each of the ways to the rows of a session that is over."""
    loaded = aigw.load(session.save(path))
    logged = aigw.transcripts(session=session.session_id)
    lines = loaded.export(path.with_suffix(".jsonl")).read_text(encoding="utf-8").splitlines()
    return {
        "live": [row["cost_usd"] for row in session.records],
        "live table": session.tables.turns["cost_usd"],
        "loaded": [row["cost_usd"] for row in loaded.records],
        "exported": [json.loads(line)["cost_usd"] for line in lines],
        "logged": [row["cost_usd"] for row in logged],
        "logged table": logged.turns["cost_usd"],
        "logged tables": logged.tables.turns["cost_usd"],
    }


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "paid"])
def test_every_way_to_the_rows_gives_the_same_money(
    embedded: bool, gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "on")
    monkeypatch.setenv("AIGW_NOTEBOOK_HOME", str(tmp_path))
    where = gateway if embedded else paid(gateway)
    with aigw.connect("openai", gateway=where, quiet=True) as session:
        session.ask("Count to three.")
        session.ask("And on.")
    close_writers()
    told = told_everywhere(session, tmp_path / "talk.aigw")
    assert list(told.values()) == [told["live"]] * len(told)
    assert sum(usd or 0.0 for usd in told["live"]) == pytest.approx(session.cost.usd)
    assert bool(session.cost.usd) != embedded and (session.cost.list_usd or 0.0) > 0.0


def test_a_log_without_the_column_opens_and_knows_no_money(
    gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "on")
    monkeypatch.setenv("AIGW_NOTEBOOK_HOME", str(tmp_path))
    with aigw.connect("openai", gateway=gateway, quiet=True) as session:
        session.ask("Count to three.")
    close_writers()
    db = sqlite3.connect(tmp_path / "log.sqlite3")
    with db:
        db.execute("UPDATE records SET row = json_remove(row, '$.cost_usd')")
    db.close()
    logged = aigw.transcripts()
    assert logged.turns["cost_usd"] == [None] * 3 and logged.turns["text"] == session.tables.turns["text"]
    assert logged.tables.turns["cost_usd"] == [0.0] * 3, "told again from the lines, which have not changed"


@pytest.mark.parametrize(
    ("cost", "phrase"),
    [
        (Cost(), "not known"),
        (Cost(usd=0.0, list_usd=0.5), "no cost"),
        (Cost(usd=0.00003), "under $0.0001"),
        (Cost(usd=0.00314), "$0.0031"),
        (Cost(usd=1.256, unknown=2), "$1.26, 2 not known"),
    ],
)
def test_money_is_told_in_one_short_phrase(cost: Cost, phrase: str) -> None:
    assert str(cost) == phrase


def test_the_file_in_the_document_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parent.parent / "docs" / "cost.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```json\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)
    in_home(monkeypatch, tmp_path, text)
    own = price_of("openai", "gpt-realtime-2.1")
    assert own is not None and (own.source, own.tokens["input_text"]) == ("our contract", 3.2)
    assert price_of("cartesia", "sonic-3.5") == Price(per_1000_characters=0.04, as_of="2026-11-22")
    fields = set(re.findall(r"`(\w+)`", document.partition("| field |")[2].partition("\n\n")[0]))
    assert fields >= cost._FIELDS | set(cost.TOKENS) | {"currency"}
