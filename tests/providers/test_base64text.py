"""Base64 with the optional library and without it: the same bytes, and the same refusals."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.providers import base64text


@pytest.fixture(params=["pybase64", "stdlib"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert base64text._pybase64 is not None, "the test extra installs pybase64"
    if request.param == "stdlib":
        monkeypatch.setattr(base64text, "_pybase64", None)


def test_there_and_back() -> None:
    for data in (b"", b"a", b"ab", bytes(range(256)) * 20):
        assert base64text.decode(base64text.encode(data)) == data
        assert base64text.encode(data) == base64.b64encode(data).decode()


REFUSED = ["a", "abc", "ab=c", "a b=", "YQ==YQ==", "YQ=", "Y!==", "YQ==\n", "é===", "-_-_", "0000="]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_plain_padded_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        base64text.decode(text)


@given(st.text(alphabet="AZaz09+/=-_ \n", max_size=24))
def test_both_ways_agree_on_what_is_base64(text: str) -> None:
    def outcome(library: object) -> bytes | None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base64text, "_pybase64", library)
            try:
                return base64text.decode(text)
            except ValueError:
                return None

    assert outcome(base64text._fast()) == outcome(None)
