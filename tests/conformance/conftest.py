"""What every provider is held to runs here: the example provider installed, and gateways at two paces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import aigw_notebook as aigw
from tests.conformance.forms import ENGINES, FORMS, HASTY, SLOW, Form
from tests.conformance.installed import example_installed


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with example_installed(tmp_path_factory.mktemp("site")) as name:
        yield name


@pytest.fixture
def fast(installed: str) -> Iterator[aigw.LocalGateway]:
    """A gateway that answers at once."""
    with aigw.LocalGateway(pace=HASTY, engines=ENGINES) as gateway:
        yield gateway


@pytest.fixture
def slow(installed: str) -> Iterator[aigw.LocalGateway]:
    """A gateway whose answers can be interrupted."""
    with aigw.LocalGateway(pace=SLOW, engines=ENGINES) as gateway:
        yield gateway


@pytest.fixture(params=FORMS, ids=[form.address for form in FORMS])
def form(request: pytest.FixtureRequest) -> Form:
    """Each protocol in turn."""
    found: Form = request.param
    return found
