"""The embedded gateway in a process of its own, with the engines that are named, all of them ready.

Arguments: names of engines, how many times faster than real time audio is sent, ms of one audio delta. The first line
it prints is its port.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.gateway.engines.selection import choose_engines
from aigw_notebook.gateway.local import LocalGateway


def main(names: str, audio_speed: str, audio_delta_ms: str) -> None:
    engines = choose_engines(names)
    engines.warm_up()
    pace = replace(Pace(), audio_speed=float(audio_speed), audio_delta_ms=float(audio_delta_ms))
    with LocalGateway(pace=pace, engines=engines, authentication=False) as gateway:
        print(gateway.address[1], flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
