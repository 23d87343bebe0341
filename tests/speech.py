"""Words as sound and back, by the placeholder voice and listener: what the tests of every provider speak and hear."""

from __future__ import annotations

from aigw_notebook.audio.clip import Clip
from aigw_notebook.audio.formats import AudioFormat
from aigw_notebook.gateway.engines.tones import ToneListener, ToneVoice

__all__ = ["letters", "silence", "spoken", "spoken_clip", "understood", "understood_clip"]


def spoken(text: str, sample_rate: int = 16_000, *, silence_ms: int = 0) -> bytes:
    """`text` as PCM16, with silence after it."""
    return b"".join(ToneVoice().speak(text, sample_rate=sample_rate)) + silence(silence_ms, sample_rate)


def spoken_clip(text: str, sample_rate: int = 24_000) -> Clip:
    """The same as a clip."""
    return Clip(spoken(text, sample_rate), AudioFormat("pcm16", sample_rate))


def silence(ms: int, sample_rate: int = 16_000) -> bytes:
    """PCM16 without a sound."""
    return bytes(2 * (sample_rate * ms // 1000))


def understood(pcm16: bytes, sample_rate: int = 16_000) -> str:
    """What was said in it."""
    return ToneListener().transcribe(pcm16, sample_rate=sample_rate)


def understood_clip(clip: Clip | None) -> str:
    """The same of a clip in any encoding."""
    assert clip is not None
    pcm = clip.converted(AudioFormat("pcm16", clip.sample_rate))
    return understood(pcm.data, pcm.sample_rate)


def letters(text: str) -> str:
    """The letters and digits alone, in lower case: as much of a text as is sure to come through."""
    return "".join(letter for letter in text.lower() if letter.isalnum())
