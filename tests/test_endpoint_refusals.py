"""What a peer answered instead of a session: the right error, a next step, no secret."""

from __future__ import annotations

import json

import pytest
from websockets.datastructures import Headers

from aigw_notebook.endpoint import explain_close, explain_refusal
from aigw_notebook.errors import GatewayError, SessionEnded, Unauthorized, UpstreamRefused

TOKEN = "GatewayTokenPlanted0123456789"
KEY = "ProviderKeyPlanted9876543210"
SECRETS = (TOKEN, KEY)


def assert_hidden(*errors: GatewayError) -> None:
    for error in errors:
        readable = f"{error}{error!r}{vars(error)}{error.args}"
        assert not [secret for secret in SECRETS if secret in readable]


def gateway_body(code: int, message: str, member: str = "error") -> str:
    return json.dumps({"success": False, "result": [], "messages": [], member: [{"code": code, "message": message}]})


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (401, 2009, Unauthorized, "cf-aig-authorization"),
        (400, 2001, UpstreamRefused, "gateway name"),
        (400, 2008, UpstreamRefused, "no such route"),
        (429, 2003, UpstreamRefused, "rate limit"),
        (429, 2045, UpstreamRefused, "spend limit"),
        (402, 2021, UpstreamRefused, "credits"),
        (424, 2016, UpstreamRefused, "guardrails"),
        (424, 2017, UpstreamRefused, "guardrails"),
        (424, 2029, UpstreamRefused, "data loss prevention"),
        (424, 2030, UpstreamRefused, "data loss prevention"),
        (404, 7003, UpstreamRefused, "model"),
        (400, 99999, UpstreamRefused, "provider key"),
    ],
)
@pytest.mark.parametrize("member", ["error", "errors"])
def test_gateway_codes(status: int, code: int, kind: type[GatewayError], hint: str, member: str) -> None:
    error = explain_refusal(status, gateway_body(code, "Said so", member).encode(), {})
    assert type(error) is kind and (error.status, error.code) == (status, code)
    assert hint in str(error) and f"HTTP {status} ({code} Said so)" in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (302, UpstreamRefused, "redirects"),
        (401, Unauthorized, "gateway token and the provider key"),
        (403, Unauthorized, "Access"),
        (404, UpstreamRefused, "gateway URL"),
        (426, UpstreamRefused, "plain HTTP"),
        (429, UpstreamRefused, "too many"),
        (500, UpstreamRefused, "no provider key"),
        (502, UpstreamRefused, "direct=True"),
        (530, UpstreamRefused, "direct=True"),
        (200, UpstreamRefused, "points at a gateway"),
    ],
)
def test_statuses_without_a_code(status: int, kind: type[GatewayError], hint: str) -> None:
    error = explain_refusal(status, b"<html>a page</html>", {})
    assert type(error) is kind and error.code is None
    assert hint in str(error) and "html" not in str(error)


def test_access_login() -> None:
    login = {"Location": f"https://team.example/cdn-cgi/access/login/ai.example.com?token={TOKEN}"}
    error = explain_refusal(302, "", login)
    assert type(error) is Unauthorized and "Cloudflare Access" in str(error)
    assert_hidden(error)


def test_headers_that_came_twice_do_no_harm() -> None:
    headers = Headers([("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Retry-After", "30")])
    assert str(explain_refusal(429, b"", headers)).endswith("; wait 30 s")


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ('{"error": {"code": "invalid_api_key", "message": "No."}}', "invalid_api_key", "invalid_api_key No"),
        ('[{"error": {"code": 403, "message": "API off", "status": "DENIED"}}]', 403, "403 API off"),
        ('{"error": "quota_exceeded", "message": "No more"}', "quota_exceeded", "quota_exceeded No more"),
        ('{"error": "just words"}', None, "just words"),
        ('{"detail": [{"msg": "field required"}]}', None, "field required"),
        ('{"errors": [{"internalCode": "2009", "message": "Unauthorized"}]}', 2009, "2009 Unauthorized"),
        ('{"error": [], "errors": [], "message": null}', None, "HTTP 400:"),
        ("plain text\nover lines", None, "plain text over lines"),
        ("[" * 100_000, None, "[[["),
        ("null", None, "HTTP 400:"),
        ("", None, "HTTP 400:"),
        (b"\xff\xfe broken", None, "broken"),
    ],
)
def test_error_bodies(body: str | bytes, code: object, words: str) -> None:
    error = explain_refusal(400, body, {})
    assert error.code == code and words in str(error)
    assert len(str(error)) < 700


def test_a_refusal_that_repeats_the_secrets() -> None:
    body = json.dumps({"error": {"code": TOKEN, "message": f"{'x ' * 140} bad token {TOKEN}, Bearer {KEY}"}})
    assert_hidden(explain_refusal(400, body, {}, secrets=SECRETS), explain_refusal(400, f"Bearer {KEY}", {}))


@pytest.mark.parametrize(
    ("code", "reason", "kind", "hint"),
    [
        (1006, "", UpstreamRefused, "accepted the upgrade and dropped the connection at the first frame"),
        (3000, "invalid_request_error.invalid_api_key", Unauthorized, "the key"),
        (3000, "", Unauthorized, "the key"),
        (4000, "invalid_request_error.invalid_model", UpstreamRefused, "choose another"),
        (4000, "invalid_request_error.beta_api_shape_disabled", UpstreamRefused, "beta"),
        (4000, "", UpstreamRefused, "model"),
        (4001, "", Unauthorized, "stored in a gateway"),
        (1007, "API key not valid. Please pass a valid API key.", Unauthorized, "the key"),
        (1007, "Request contains an invalid argument.", UpstreamRefused, "settings"),
        (1008, "models/x is not found for this version", UpstreamRefused, "choose another"),
        (1008, "models/x is not found for API version v1beta", UpstreamRefused, "choose another"),
        (1011, "You exceeded your current quota, please check", UpstreamRefused, "limit of the account"),
        (1011, "", UpstreamRefused, "try again"),
        (1009, "", UpstreamRefused, "too big"),
        (1000, "", UpstreamRefused, "before it began"),
        (4999, "odd", UpstreamRefused, "the provider's own"),
    ],
)
def test_closed_before_ready(code: int, reason: str, kind: type[GatewayError], hint: str) -> None:
    error = explain_close(code, reason, ready=False)
    assert type(error) is kind and (error.close_code, error.reason) == (code, reason)
    assert hint in str(error) and f"close code {code}" in str(error)


@pytest.mark.parametrize(
    ("code", "reason", "hint"),
    [
        (1001, "Your session hit the maximum duration of 60 minutes.", "time limit"),
        (1001, "session_expired", "time limit was reached: connect"),
        (1000, "", "connect again"),
        (1006, "", "without a close frame"),
        (1008, "the language model broke", "rule of the provider"),
        (1009, "", "too big"),
        (1011, "keepalive ping timeout", "answered no ping"),
        (1013, "rate limit", "limit of the account"),
        (4321, "", "the provider's own"),
        (4400, "message 2 differs from the recording: $.session.api_key", "the replay's `divergences`"),
    ],
)
def test_closed_once_ready(code: int, reason: str, hint: str) -> None:
    error = explain_close(code, reason, ready=True)
    assert type(error) is SessionEnded and (error.close_code, error.reason) == (code, reason)
    assert hint in str(error)


@pytest.mark.parametrize("ready", [True, False])
def test_a_reason_that_repeats_the_secrets(ready: bool) -> None:
    assert_hidden(explain_close(3000, f"bad key {KEY}, Bearer {TOKEN}", ready=ready, secrets=SECRETS))
