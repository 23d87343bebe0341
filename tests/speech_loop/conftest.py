"""The engines that really speak and listen, made once: loading them is most of what they cost."""

from __future__ import annotations

import pytest

from aigw_notebook.gateway.engines.base import Engines
from aigw_notebook.gateway.engines.selection import choose_engines


@pytest.fixture(scope="session")
def engines() -> Engines:
    return choose_engines("local,hibari,whisper")
