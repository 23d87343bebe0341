"""Which log rows a query chooses, in which order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aigw_notebook.gateway.log_query import BadParameter, LogQuery


def row(name: str, **more: Any) -> dict[str, Any]:
    known = {"id": name, "created_at": f"2026-11-22T10:00:0{name}.000Z", "metadata": {}}
    return {**dict.fromkeys(("provider", "model", "success", "tokens_in", "tokens_out")), **known, **more}


ROWS = [
    row("1", provider="a", model="big", success=True, cost=0.5, duration=100, tokens_in=5, tokens_out=5),
    row("2", provider="b", model="Big-2", success=False, duration=900, metadata={"team": "red", "n": 7, "ok": True}),
    row("3", provider="a", success=True, tokens_in=50, tokens_out=None, metadata={"red": "team"}, feedback=1),
    row("4", provider="c", success=True, user_agent="curl", event_id="ev-9", authentication=True),
]


def found(**parameters: str) -> str:
    return "".join(one["id"] for one in LogQuery.of({"direction": "asc", **parameters}).of_rows(ROWS).rows)


@pytest.mark.parametrize(
    ("parameters", "ids"),
    [
        ({}, "1234"),
        ({"direction": "desc"}, "4321"),
        ({"order_by": "provider"}, "1324"),
        ({"order_by": "model"}, "2134"),
        ({"order_by": "model", "direction": "desc"}, "1234"),
        ({"provider": "a"}, "13"),
        ({"success": "false"}, "2"),
        ({"feedback": "1"}, "3"),
        ({"min_duration": "100", "max_duration": "500"}, "1"),
        ({"min_total_tokens": "11"}, "3"),
        ({"max_cost": "0"}, ""),
        ({"start_date": "2026-11-22T10:00:02Z", "end_date": "2026-11-22T11:00:03+01:00"}, "23"),
        ({"start_date": "2026-11-23"}, ""),
        ({"search": "RED"}, "23"),
        ({"search": "ev-9"}, "4"),
        ({"nobody_knows": "x"}, "1234"),
    ],
)
def test_parameters_choose_rows(parameters: dict[str, str], ids: str) -> None:
    assert found(**parameters) == ids


@pytest.mark.parametrize(
    ("key", "operator", "value", "ids"),
    [
        ("provider", "eq", ["a", "c"], "134"),
        ("provider", "neq", ["a", "c"], "2"),
        ("model", "neq", ["big"], "234"),
        ("model", "contains", ["big"], "12"),
        ("success", "eq", [False], "2"),
        ("success", "eq", ["true"], "134"),
        ("authentication", "eq", [True], "4"),
        ("tokens", "gt", [10], "3"),
        ("tokens_in", "lt", ["6"], "1"),
        ("cost", "eq", [0.5], "1"),
        ("created_at", "gt", ["2026-11-22T10:00:03Z"], "4"),
        ("created_at", "eq", ["2026-11-22T11:00:03+01:00"], "3"),
        ("metadata.key", "eq", ["team"], "2"),
        ("metadata.value", "eq", ["team"], "3"),
        ("metadata.value", "eq", [7], "2"),
        ("metadata.value", "eq", ["true"], "2"),
        ("dlp_action", "eq", ["BLOCK"], ""),
    ],
)
def test_filters_choose_rows(key: str, operator: str, value: list[Any], ids: str) -> None:
    assert found(filters=json.dumps([{"key": key, "operator": operator, "value": value}])) == ids


def test_all_filters_must_hold_and_key_and_value_are_looked_at_apart() -> None:
    both = [{"key": f"metadata.{part}", "operator": "eq", "value": ["team"]} for part in ("key", "value")]
    assert found(filters=json.dumps(both)) == ""
    crossed = [
        {"key": "metadata.key", "operator": "eq", "value": ["team"]},
        {"key": "metadata.value", "operator": "eq", "value": [7]},
    ]
    assert found(filters=json.dumps(crossed)) == "2"


def test_bounds_are_given_when_asked_for() -> None:
    page = LogQuery.of({"meta_info": "true", "per_page": "1"}).of_rows(ROWS)
    assert (page.info["count"], page.info["total_count"]) == (1, 4)
    assert (page.info["min_duration"], page.info["max_duration"]) == (100, 900)
    assert (page.info["min_total_tokens"], page.info["max_total_tokens"]) == (10, 50)
    assert LogQuery.of({"meta_info": "true"}).of_rows([]).info["max_cost"] is None


def test_a_thousand_filters_are_too_many() -> None:
    one = {"key": "id", "operator": "eq", "value": ["x"]}
    with pytest.raises(BadParameter, match="at most 50"):
        LogQuery.of({"filters": json.dumps([one] * 1_000)})
