"""Asking: a question goes out, the finished turn comes back; one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import AigwError, SessionBusy, TurnTimeout
from ..events import AppendText, ClientEvent, CreateResponse, InputTranscript, InputTranscriptFailed, PictureShown
from ..providers.base import Provider
from ..transcript import Transcript
from ..turn import Turn, TurnStatus
from .lifetime import Lifetime
from .needs import check_question, need
from .turns import TurnDriver
from .user_input import encoded_image, read_audio
from .voice import VoiceInput

__all__ = ["Question", "Questions", "question_of", "request_of"]

WORDS_TIMEOUT_S = 2.0
"""How long a question waits, after the answer, for the provider's transcript of what the user said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: words, pictures (encoded), sound (as `read_audio` gives it), or several together."""

    text: str | None = None
    images: tuple[bytes, ...] = ()
    sound: Any = None
    sample_rate: int | None = None


def question_of(provider: Provider, text: str | None, audio: Any, sample_rate: int | None, image: Any) -> Question:
    """The question that a caller has given; `ConfigurationError` or `Unsupported` where the provider cannot take it."""
    images = () if image is None else (encoded_image(image),)
    sound = None if audio is None else read_audio(audio, sample_rate)
    check_question(provider, text, sound, images)
    return Question(text=text, images=images, sound=sound, sample_rate=sample_rate)


def request_of(
    provider: Provider,
    text: str | None,
    instructions: str | None,
    modalities: Sequence[str] | str | None,
    *,
    out_of_band: bool,
) -> CreateResponse:
    """What the model is asked to do about a question; one outside the conversation is in the instructions itself."""
    if out_of_band:
        need(provider, "out_of_band", "answers outside the conversation")
    return CreateResponse(
        instructions=text if out_of_band and instructions is None else instructions,
        modalities=(modalities,) if isinstance(modalities, str) else tuple(modalities or ()) or None,
        out_of_band=out_of_band,
    )


class Questions:
    """Asks one question after another and gives the turn of each.

    `wants_words` says whether a transcript of what the user says was asked for, and can still come. `hush`
    silences an answer nobody waits for any more; `counted` returns when it is known what was heard of one, soon in any
    case.
    """

    def __init__(
        self,
        transcript: Transcript,
        turns: TurnDriver,
        voice: VoiceInput,
        life: Lifetime,
        *,
        send: Callable[[ClientEvent], object],
        now_ms: Callable[[], float],
        wants_words: Callable[[], bool],
        hush: Callable[[], object],
        counted: Callable[[], Any],
    ) -> None:
        self._transcript = transcript
        self._turns = turns
        self._voice = voice
        self._life = life
        self._send = send
        self._now_ms = now_ms
        self._wants_words = wants_words
        self._hush = hush
        self._counted = counted
        self._asking = False
        self._heard_words = asyncio.Event()

    async def ask(self, question: Question, request: CreateResponse, *, timeout_s: float) -> Turn:
        """The finished turn; raises as `SessionCore.ask` tells, with the partial turn in the error."""
        if self._asking:
            raise SessionBusy("a turn is already running on this session; wait for it, or call interrupt() first")
        self._asking = True
        try:
            await self._wait_free(timeout_s)
            self._life.check(is_open=True)  # it may have ended meanwhile
            turn = self._turns.begin(out_of_band=request.out_of_band, claimed=True)
            try:
                await self._hand_over(turn, question)
                self._turns.respond(request, turn)
                await self._turns.end_of(turn, silence_s=timeout_s)
                await self.settled(turn)
                self._life.raise_if_lost(turn)
                return turn
            except BaseException as error:
                raise self._given_up(turn, error) from None
        finally:
            self._asking = False

    async def settled(self, turn: Turn) -> None:
        """Return when what is still to be known of an ended turn is known, or will not be."""
        await self._counted()
        await self._words_known(turn)

    def words_are_coming(self) -> None:
        """The user says something: its words are to be waited for."""
        self._heard_words.clear()

    def on_words(self, event: InputTranscript | InputTranscriptFailed) -> None:
        """The user's words are known, or will not be."""
        if isinstance(event, InputTranscriptFailed) or event.final:
            self._heard_words.set()

    def lose(self) -> None:
        """The session is over: no words will come."""
        self._heard_words.set()

    async def _wait_free(self, timeout_s: float) -> None:
        try:
            await self._turns.wait_free(timeout_s)
        except TimeoutError:
            raise TurnTimeout(f"the last answer did not end within {timeout_s:g} s; open a new session") from None

    async def _hand_over(self, turn: Turn, question: Question) -> None:
        if question.text or question.images:
            if not turn.out_of_band:
                self._send(AppendText(text=question.text or "", images=question.images))
            self._transcript.user_said(question.text or "", self._now_ms())
            for image in question.images:
                self._transcript.receive(PictureShown(data=image), self._now_ms())
        if question.sound is not None:
            self.words_are_coming()
            await self._voice.utterance(question.sound, question.sample_rate)
        self._turns.heard_ms = self._now_ms()
        self._transcript.asked(turn, self._turns.heard_ms)

    async def _words_known(self, turn: Turn) -> None:
        """Wait a little for the words of what the user said aloud, where they were asked for."""
        unknown = any(e.role == "user" and e.kind == "audio" and e.text is None for e in turn.entries)
        if not unknown or not self._wants_words():
            return
        try:
            async with asyncio.timeout(WORDS_TIMEOUT_S):
                await self._heard_words.wait()
        except TimeoutError:
            return

    def _given_up(self, turn: Turn, error: BaseException) -> BaseException:
        """End the turn that `error` broke off; gives what to raise, with the partial turn in it."""
        if isinstance(error, asyncio.CancelledError):
            self._turns.stop(turn, "cancelled")
            self._hush()
            return error
        status: TurnStatus = "failed"
        if type(error) is TimeoutError:
            status = "timeout"
            error = TurnTimeout("the provider fell silent in mid-turn; ask again, or give a longer timeout_s")
        self._turns.stop(turn, status, error=str(error))
        if isinstance(error, AigwError):
            error.turn = turn
        return error
