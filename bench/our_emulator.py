"""The embedded gateway in a process of its own, whose model always answers with the given text, as fast as it can.

The first line it prints is its port.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines import default_engines
from aigw_notebook.gateway.engines.base import Reply, Said
from aigw_notebook.gateway.local import LocalGateway


class Fixed:
    """A responder that always says the same, on the loop, as the one in the box does."""

    instant = True

    def __init__(self, text: str) -> None:
        self.text = text

    def answer(
        self,
        conversation: Sequence[Said],
        *,
        instructions: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: Any = "auto",
    ) -> Reply:
        return Reply(text=self.text)


def main(text: str) -> None:
    engines = replace(default_engines(), responder=Fixed(text))
    pace = Pace(first_token_ms=0, text_delta_ms=0, audio_speed=0)
    with LocalGateway(pace=pace, engines=engines, authentication=False) as gateway:
        print(gateway.address[1], flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
