"""Gateways to hold sessions to: one that answers at once, one that can be interrupted."""

from __future__ import annotations

import pytest

import aigw_notebook as aigw
from aigw_notebook.gateway.emulators.base import Pace

AT_ONCE = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
SLOW = Pace(first_token_ms=0, text_delta_ms=20, audio_speed=2.0)


@pytest.fixture
def fast():
    with aigw.LocalGateway(pace=AT_ONCE) as gateway:
        yield gateway


@pytest.fixture
def slow():
    with aigw.LocalGateway(pace=SLOW) as gateway:
        yield gateway


def connect(gateway: aigw.LocalGateway, **settings):
    return aigw.connect("openai", gateway=gateway, quiet=True, **settings)
