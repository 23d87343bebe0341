"""The troubles that users of AI Gateway meet, made by the embedded gateway's switches and felt through `connect`."""

from __future__ import annotations

import pytest

import aigw_notebook as aigw
from aigw_notebook.endpoint import explain_close
from aigw_notebook.errors import AigwError, ConfigurationError, SessionEnded, Unauthorized, UpstreamRefused
from aigw_notebook.gateway import Faults
from aigw_notebook.gateway.refusals import ANSWERS
from tests.session.test_failures import one_sentence

pytestmark = pytest.mark.sessions

KEY = "sk-planted-SECRET-0123456789"


def as_cloud(gateway: aigw.LocalGateway, **settings) -> aigw.Gateway:
    """The local gateway as one that may hold stored keys: a key is sent there if there is one."""
    return aigw.Gateway.from_url(gateway.url, token=gateway.token, **settings)


def failed(provider: str, gateway: object, **settings) -> AigwError:
    """What opening a session raises."""
    with pytest.raises(AigwError) as caught:
        aigw.connect(provider, gateway=gateway, quiet=True, **settings).open()
    assert KEY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("provider", ["openai", "google"])
def test_1006_before_the_first_message_names_the_ways_round(fast: aigw.LocalGateway, provider: str) -> None:
    fast.faults = "drop_first_frame"
    error = failed(provider, fast)
    assert isinstance(error, UpstreamRefused) and error.close_code == 1006
    text = one_sentence(error)
    assert "dropped the connection at the first frame" in text and text.endswith(
        "or go past the gateway with direct=True"
    )
    assert "or pass api_key=… instead of a key stored in the gateway, and failing that go past" in str(
        failed(provider, as_cloud(fast))
    )
    assert "api_key=" not in str(failed(provider, as_cloud(fast), api_key=KEY))


def test_1006_at_the_first_question_of_a_provider_that_never_speaks_first(fast: aigw.LocalGateway) -> None:
    fast.faults = {"fal": "drop_first_frame"}
    with aigw.connect("fal", gateway=fast, quiet=True) as session, pytest.raises(SessionEnded) as caught:
        session.ask("a cat")
    assert "dropped the connection at the first frame" in one_sentence(caught.value)
    assert "direct=True" in str(caught.value)


def test_1006_once_it_has_spoken_is_the_network(fast: aigw.LocalGateway) -> None:
    fast.faults = "drop_in=2"
    with aigw.connect("openai", gateway=fast, quiet=True) as session, pytest.raises(SessionEnded) as caught:
        session.ask("hi")
    assert caught.value.close_code == 1006 and "check the network" in one_sentence(caught.value)
    assert "direct=True" not in str(caught.value)


def test_no_way_round_is_named_where_there_is_none(fast: aigw.LocalGateway) -> None:
    fast.faults = "refuse=500"
    text = one_sentence(failed("workers-ai", fast))
    assert "direct=True" not in text and "api_key=" not in text


def test_a_stored_key_that_is_not_applied(fast: aigw.LocalGateway) -> None:
    fast.faults = "no_stored_key"
    error = failed("openai", as_cloud(fast))
    assert isinstance(error, Unauthorized) and error.close_code == 4001
    text = str(error)
    assert "pass api_key=… instead of a key stored in the gateway" in text and "direct=True" in text
    assert "the provider said: Missing bearer or basic authentication in header" in text
    with aigw.connect("openai", gateway=as_cloud(fast), api_key=KEY, quiet=True) as session:
        assert session.ask("hi").text


def test_a_stored_key_that_is_not_applied_may_end_the_upgrade(fast: aigw.LocalGateway) -> None:
    fast.faults = "no_stored_key"
    error = failed("google", as_cloud(fast))
    assert isinstance(error, UpstreamRefused) and error.status == 500
    assert "no provider key came" in one_sentence(error) and "pass api_key=…" in str(error)
    with aigw.connect("google", gateway=as_cloud(fast), api_key=KEY, quiet=True) as session:
        assert session.ask("hi").text


@pytest.mark.parametrize("provider", ["cartesia", "elevenlabs", "fal"])
def test_a_missing_key_closes_with_4001_where_nobody_saw_how_it_is_said(fast: aigw.LocalGateway, provider: str) -> None:
    fast.faults = "no_stored_key"
    with pytest.raises(AigwError) as caught, aigw.connect(provider, gateway=as_cloud(fast), quiet=True) as session:
        session.ask("hi")
    assert caught.value.close_code == 4001 and "pass api_key=…" in str(caught.value)


@pytest.mark.parametrize("key", ["invalid", "Wrong-key-4711"])
@pytest.mark.parametrize(
    ("provider", "status", "close_code"),
    [
        ("openai", None, 3000),
        ("google", None, 1007),
        ("cartesia", 401, None),
        ("elevenlabs", None, 3000),
        ("deepgram", 401, None),
        ("deepgram:flux-general-en", 401, None),
        ("deepgram:aura-2-thalia-en", 401, None),
        ("fal", 401, None),
    ],
)
def test_a_wrong_key_is_refused_as_the_provider_does(
    fast: aigw.LocalGateway, provider: str, status: int | None, close_code: int | None, key: str
) -> None:
    error = failed(provider, as_cloud(fast), api_key=key)
    assert isinstance(error, Unauthorized) and (error.status, error.close_code) == (status, close_code)
    assert "key" in one_sentence(error) and key not in str(error)
    aigw.connect(provider, gateway=as_cloud(fast), quiet=True).open().close()
    aigw.connect(provider, gateway=fast, api_key=key, quiet=True).open().close()  # which is sent no key


@pytest.mark.parametrize("provider", ["elevenlabs:tts", "elevenlabs:tts-stream"])
def test_a_wrong_key_that_is_refused_with_the_first_words(fast: aigw.LocalGateway, provider: str) -> None:
    with aigw.connect(provider, gateway=as_cloud(fast), api_key="wrong-key", quiet=True) as session:
        turn = session.ask("Hello")
    assert (turn.status, turn.error) == ("failed", "Invalid API key")


@pytest.mark.parametrize("provider", ["workers-ai", "workers-ai:flux", "workers-ai:aura-1", "universal"])
def test_a_key_for_a_provider_that_takes_none(fast: aigw.LocalGateway, provider: str) -> None:
    with pytest.raises(ConfigurationError, match="takes no key beside the gateway's token: leave api_key out"):
        aigw.connect(provider, gateway=as_cloud(fast), api_key=KEY)
    aigw.connect(provider, gateway=fast, api_key=KEY, quiet=True).open().close()


def test_a_beta_header_that_the_gateway_adds(fast: aigw.LocalGateway) -> None:
    fast.faults = Faults(close=4000, close_reason="invalid_request_error.beta_api_shape_disabled")
    error = failed("openai", fast)
    assert isinstance(error, UpstreamRefused) and error.close_code == 4000
    assert "leave out beta headers and beta settings" in one_sentence(error)


@pytest.mark.parametrize("code", ANSWERS)
def test_every_refusal_is_one_sentence_with_its_code(fast: aigw.LocalGateway, code: int) -> None:
    fast.faults = f"refuse={code}"
    error, answer = failed("openai", fast), ANSWERS[code]
    assert error.status == answer.status and (error.code == code if code > 1000 else error.code is None)
    assert isinstance(error, Unauthorized) == (code in (2009, 302, 403))
    assert ": " in one_sentence(error)
    assert ("direct=True" in str(error)) == (code in (400, 500, 502, 503, 2002, 2005))


def test_an_expired_session_is_told_from_a_broken_one(fast: aigw.LocalGateway) -> None:
    fast.faults = "expire_after_ms=1"
    with pytest.raises(AigwError) as caught, aigw.connect("openai", gateway=fast, quiet=True) as session:
        for _ in range(1000):
            session.ask("hi")
    assert caught.value.close_code == 1001  # before the session was ready or after: the cause is the same
    assert "its time limit was reached: connect again" in one_sentence(caught.value)


def test_a_provider_that_says_nothing_in_time(fast: aigw.LocalGateway) -> None:
    fast.faults = "first_frame_ms=60000"
    text = one_sentence(failed("openai", fast, timeout_s=1.0))
    assert "did not get ready within 1 s" in text and text.endswith("or go past the gateway with direct=True")


def test_a_silent_end_needs_a_code_that_says_so() -> None:
    away = explain_close(1001, "", ready=True, silent=True, way_round="walk")
    assert "went away or its time limit" in str(away) and "walk" not in str(away)
    assert str(explain_close(1006, "", ready=True, silent=True, way_round="walk")).endswith(", or walk")
    assert "walk" not in str(explain_close(1006, "", ready=True, way_round="walk"))
