"""A running session: one socket, one codec, one transcript, on one event loop.

`core` is what callers hold; `wire` owns the socket, `turns` the response and its tools, `voice` the microphone.
"""

from .core import SessionCore, Sink

__all__ = ["SessionCore", "Sink"]
