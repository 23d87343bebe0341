from __future__ import annotations

from uuid import UUID

import pytest

from aigw_notebook.gateway.refusals import (
    INVALID_PROVIDER,
    UNAUTHORIZED,
    UNKNOWN_GATEWAY,
    Refusal,
    answer_ids,
    unreachable,
    uuid7,
)


@pytest.mark.parametrize(
    ("refusal", "body"),
    [
        (
            UNAUTHORIZED,
            b'{"success":false,"result":[],"messages":[],"error":[{"code":2009,"message":"Unauthorized"}],'
            b'"name":"AiGatewayError","httpCode":401,"internalCode":2009}',
        ),
        (
            UNKNOWN_GATEWAY,
            b'{"success":false,"result":[],"messages":[],"error":[{"code":2001,"message":"Please configure AI Gateway '
            b'in the Cloudflare dashboard"}],"name":"AiGatewayError","httpCode":400,"internalCode":2001}',
        ),
        (
            INVALID_PROVIDER,
            b'{"success":false,"result":[],"messages":[],"error":[{"code":2008,"message":"Invalid provider"}],'
            b'"name":"AiGatewayError","httpCode":400,"internalCode":2008}',
        ),
    ],
)
def test_bodies_are_those_of_ai_gateway(refusal: Refusal, body: bytes) -> None:
    assert refusal.body() == body


def test_an_unreachable_upstream_is_a_bad_gateway() -> None:
    assert unreachable("ws://host:1/path").status == 502
    assert "ws://host:1/path" in unreachable("ws://host:1/path").message


def test_a_uuid7_holds_the_time_and_says_its_version() -> None:
    made = uuid7(now_ms=0x0123456789AB)
    assert str(made).startswith("01234567-89ab-7")
    assert made.version == 7
    assert made.variant == UUID("00000000-0000-7000-8000-000000000000").variant


def test_uuid7s_of_one_moment_differ_and_later_ones_sort_after() -> None:
    assert uuid7(now_ms=5) != uuid7(now_ms=5)
    assert str(uuid7(now_ms=5)) < str(uuid7(now_ms=6))


def test_one_id_serves_for_all_unless_the_client_sent_one() -> None:
    ids = answer_ids()
    assert ids["cf-aig-log-id"] == ids["cf-aig-request-id"] == ids["cf-aig-event-id"]
    assert ids["cf-aig-log-id"].lower() == ids["cf-aig-log-id"] and ids["cf-aig-step"] == "0"
    assert answer_ids("mine")["cf-aig-event-id"] == "mine"
    assert answer_ids("mine")["cf-aig-log-id"] != "mine"
