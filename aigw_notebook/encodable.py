"""Text that a file and a message can hold. A peer's JSON may bring halves of surrogate pairs, which neither can."""

from __future__ import annotations

__all__ = ["encodable"]


def encodable(text: str) -> str:
    """The text as UTF-8 can hold it: two halves of one character are that character, a lone one is U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
