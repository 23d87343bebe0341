"""The clock that codecs have not: it calls a codec back when the time that it named has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..providers.base import Alarm, Codec

__all__ = ["AlarmClock"]


class AlarmClock:
    """Watches the `alarm` of one codec. `rung` is called, on the loop, when its time has come."""

    def __init__(self, codec: Codec, rung: Callable[[], None]) -> None:
        self._codec = codec
        self._rung = rung
        self._set: Alarm | None = None
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """The codec has done something: follow what it wishes now."""
        alarm = self._codec.alarm
        if alarm is self._set:
            return
        self.stop()
        self._set = alarm
        if alarm is not None:
            self._timer = asyncio.get_running_loop().call_later(alarm.after_ms / 1000, self._ring)

    def stop(self) -> None:
        """Forget the wish that is being followed."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._set = None

    def _ring(self) -> None:
        self._timer = self._set = None
        self._rung()
