"""No credential survives redaction, and prose does."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.endpoint import redact, safe_url
from aigw_notebook.endpoint.redaction import _PATTERNS

SAMPLE = "Zx9planted-Q81w"
CREDENTIALS = [
    "wss://h.example/x?api_key={}&model=m",
    "?key={}",
    "token={}",
    "?xi-api-key={}",
    "access_token={} and more",
    "?conversation_signature={}",
    "authorization={}",
    "url=https%3A%2F%2Fh%3Fapi_key%3D{}",
    "Authorization: Bearer {}",
    "authorization:Basic {}==",
    "Authorization: Token {}",
    "Authorization: Key {0}:{0}",
    "cf-aig-authorization: {}",
    "('cf-aig-authorization', 'Bearer {}')",
    "(b'cf-aig-authorization', b'{}')",
    "{{'X-API-Key': '{}'}}",
    '{{"client_secret": "{}"}}',
    '{{"token":"{}"}}',
    '"{{\\"api_key\\": \\"{}\\"}}"',
    "Bearer {}",
    "bearer {}.",
    "Token {}",
    "Key {0}:{0}",
    "sk-{}",
    "sk-proj-{}",
    "ek_{}",
    "cfut_{}",
    "cfat_{}",
    "AIza{}",
    "ya29.{}",
    "auth_tokens/{}",
    "eyJhbGciOiJub25lIn0.{}.x",
    "cf-aig-authorization.{}",
    "realtime, acme-insecure-api-key.{}, v1",
    "xi-api-key.{}",
    "bearer.{}",
    "Sec-WebSocket-Protocol: token, {}",
    "wss://user:{}@h.example/x",
]
PROSE = """Missing bearer or basic authentication in header. Use the Bearer scheme; a bearer token is required.
The key point: tokens are counted. Token limit reached, token-based billing. Key features: speed and size.
sk-learn is a library; the risk-based and task-oriented design of disk_usage_total=5.
max_output_tokens=100 model=gpt-x keyterm=hello sign=5 monkey business
Turn the key.Then open: self.key.lower(), provider.key.name
The secret: be kind. Keys are secrets. Authentication error: no token. Key: C major.
The token goes in cf-aig-authorization, not Authorization; pass auth="header" or "query".
AIza eyJump.x https://ai.example.com:8080/v1/a/b?model=x&voice=y @user mail a@b.example
wss://gateway.ai.cloudflare.com/v1/0123456789abcdef0123456789abcdef/my-gw/acme?model=@acme/one
2026-11-22T10:00:00Z 019f2d3c-aaaa-7bbb-8ccc-0123456789ab""".splitlines()


@pytest.mark.parametrize("text", CREDENTIALS)
def test_what_looks_like_a_credential_is_hidden(text: str) -> None:
    shown = redact(text.format(SAMPLE))
    assert SAMPLE not in shown and "***" in shown
    assert redact(shown) == shown


@pytest.mark.parametrize("line", PROSE)
def test_ordinary_prose_is_left_alone(line: str) -> None:
    assert redact(line) == line


@pytest.mark.parametrize("text", CREDENTIALS)
def test_marks_lie_in_all_that_a_pattern_matches(text: str) -> None:
    shown = text.format(SAMPLE)
    found = [(marks, match[0]) for marks, pattern in _PATTERNS if (match := pattern.search(shown))]
    assert found
    assert all(any(mark in part.lower() for mark in marks) for marks, part in found)


@given(st.text(min_size=4).filter(lambda secret: secret.strip("*")), st.text(), st.text(), st.sampled_from(CREDENTIALS))
def test_a_planted_secret_never_survives(secret: str, before: str, after: str, template: str) -> None:
    for text in (f"{before}{secret}{after}", before + template.format(secret) + after):
        assert secret not in redact(text, [secret])


@given(st.lists(st.text(alphabet="ab*:%/ ", min_size=4, max_size=8), max_size=4), st.text(alphabet="ab*:%/ "))
def test_several_secrets_that_overlap_never_survive(secrets: list[str], text: str) -> None:
    planted = [secret for secret in secrets if secret.strip("*")]
    shown = redact("".join([text, *planted, text]), secrets)
    assert not [secret for secret in planted if secret in shown]


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=4).filter(lambda secret: secret.strip("*")))
def test_encoded_secrets_are_found(secret: str) -> None:
    for written in (quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert written not in redact(f"<{written}>", [secret])


@given(st.text())
def test_redact_is_stable(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_short_secrets_would_be_found_everywhere() -> None:
    assert redact("a cat sat", ["a", "", "***", "****"]) == "a cat sat"


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("wss://h:1/p?model=a%20b&api_key=x&flag", "wss://h:1/p?model=a%20b&api_key=***&flag"),
        ("wss://u:p@h/p?xi-api-key=x&keyterm=y#z", "wss://***@h/p?xi-api-key=***&keyterm=y#***"),
        ("wss://h/p?auth=x&v=Bearer+abc123def", "wss://h/p?auth=***&v=***"),
        ("wss://h/sk-abcdef123/p", "wss://h/sk-***/p"),
        ("wss://[h/p?api_key=xyz", "wss://[h/p?api_key=***"),
    ],
)
def test_safe_url(url: str, safe: str) -> None:
    assert safe_url(url) == safe
