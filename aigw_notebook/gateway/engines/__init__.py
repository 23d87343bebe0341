"""What emulators answer, speak and listen with: one set of local engines for all of them."""

from __future__ import annotations

from .base import Engines

__all__ = ["Engines", "default_engines"]


def default_engines() -> Engines:
    """Engines that need nothing installed: rules for answers, chords for a voice, and the listener that reads them."""
    from .rules import RuleResponder
    from .tones import ToneListener, ToneVoice

    return Engines(responder=RuleResponder(), voice=ToneVoice(), listener=ToneListener())
