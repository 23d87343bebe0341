"""Pictures shown with the question: nothing here can see."""

from __future__ import annotations

from .base import Asked

__all__ = ["own_up_to_pictures"]


def own_up_to_pictures(asked: Asked) -> str | None:
    """Says how many pictures were shown, and that they cannot be seen."""
    last = next((said for said in reversed(asked.conversation) if said.role == "user"), None)
    if last is None or not last.images:
        return None
    pictures = "one picture" if last.images == 1 else f"{last.images} pictures"
    heard = f" I understood: “{asked.question}”." if asked.question else ""
    return f"I was shown {pictures}. Locally I cannot see, so I cannot say what is in them.{heard}"
