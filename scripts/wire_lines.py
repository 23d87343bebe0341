"""Prints the messages of a recorded session as the lines of a wire file, for a person to go on with.

    python scripts/wire_lines.py counted.aigw

CONTRIBUTING.md says what is left to do by hand. Sound is cut to a few samples. A recording of an emulator is refused:
a wire file says what the provider says, and nothing of ours may be its source.
"""

from __future__ import annotations

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

from aigw_notebook import Recorded, load
from aigw_notebook.errors import AigwError
from aigw_notebook.lines import Line

DIRECTIONS = {"received": "<", "sent": ">"}
SOUND = re.compile(r"[A-Za-z0-9+/_-]{96,}={0,2}")
KEPT_LETTERS = 16
"""Of a longer text that is nothing but base64; 12 bytes."""


def wire_lines(lines: Iterable[Line]) -> Iterator[str]:
    """A JSON object for each message that crossed the socket, in order."""
    for line in lines:
        if line.kind in DIRECTIONS:
            yield json.dumps({"dir": DIRECTIONS[line.kind], **carried(line.value)}, ensure_ascii=False)


def carried(message: str | bytes) -> dict[str, Any]:
    """The key and the value of one message: an object, another text, or bytes."""
    if isinstance(message, bytes):
        return {"binary": b64encode(message[:12]).decode()}
    try:
        parsed = json.loads(message)
    except ValueError:
        return {"text": message}
    return {"message": shortened(parsed)} if isinstance(parsed, dict) else {"text": message}


def shortened(value: Any) -> Any:
    """The same with every long base64 text cut."""
    if isinstance(value, dict):
        return {name: shortened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shortened(inner) for inner in value]
    return value[:KEPT_LETTERS] if isinstance(value, str) and SOUND.fullmatch(value) else value


def refusal(recorded: Recorded) -> str:
    """Why a recording cannot be the source of a wire file; empty if it can."""
    return f"this is no provider's word: {recorded.where}" if "emulator" in recorded.where else ""


def main(arguments: list[str]) -> int:
    """Print the lines; the exit status."""
    if len(arguments) != 1:
        print("wire_lines: give one recording, as in `python scripts/wire_lines.py counted.aigw`", file=sys.stderr)
        return 2
    try:
        recorded = load(arguments[0])
    except AigwError as error:
        print(f"wire_lines: {error}", file=sys.stderr)
        return 1
    if why := refusal(recorded):
        print(f"wire_lines: {why}", file=sys.stderr)
        return 1
    print("\n".join(wire_lines(recorded.lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
