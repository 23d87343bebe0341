"""How long the letters of a text last against each other, where nothing better is known."""

from __future__ import annotations

__all__ = ["letter_weights"]

VOWEL, CONSONANT, DIGIT, SPACE, COMMA, STOP = 1.3, 1.0, 4.0, 0.3, 3.0, 6.0

_WEIGHTS = {
    **dict.fromkeys("aeiouyAEIOUY", VOWEL),
    **dict.fromkeys("0123456789", DIGIT),
    **dict.fromkeys(" \t\n", SPACE),
    **dict.fromkeys(",;:–—", COMMA),
    **dict.fromkeys(".!?…", STOP),
}


def letter_weights(text: str) -> list[float]:
    """One weight for each character: a digit is a word, and a mark of punctuation is a pause."""
    return [_WEIGHTS.get(letter, CONSONANT) for letter in text]
