"""Python functions as tools of a model: type hints and docstring out as JSON schema, the model's JSON in as arguments.

Nothing here runs a tool; that, with threads and time-outs, is the session's work.
"""

from __future__ import annotations

from .declaration import Tool, as_tool, tool
from .results import result_text

__all__ = ["Tool", "as_tool", "result_text", "tool"]
