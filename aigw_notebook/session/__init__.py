"""A running session: one socket, one codec, one transcript, on one event loop.

`core` is what callers hold; `wire` owns the socket, `questions` asks, `turns` has the response and its tools, `voice`
the microphone, `bargein` the players.
"""

from .bargein import BargeInMode, ruled
from .core import SessionCore, Sink
from .keeping import header_of
from .playback import Playback

__all__ = ["BargeInMode", "Playback", "SessionCore", "Sink", "header_of", "ruled"]
