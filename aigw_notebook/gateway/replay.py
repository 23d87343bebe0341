"""A gateway that plays a recording to whoever connects: the recorded frames, in their order, when their time has come.

What the server says waits for what the client had said before it, so that cause and effect stay as they were.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

from .. import providers
from ..errors import ConfigurationError
from ..events import SessionClosed
from ..lines import Line
from ..providers.base import Message, Provider, SessionSettings, counting_ids
from ..recording import Recording
from ..recording_file import read
from .comparing import Divergence, Match, Said, difference, said
from .emulators.base import Answer, Close, Emulator, Handshake
from .engines.base import Engines
from .local import LocalGateway
from .routes import Destination, RouteTable
from .upstreams import Upstreams

__all__ = ["DIVERGED", "Divergence", "Match", "ReplayGateway", "replay"]

DIVERGED = 4400
"""The close code for a client that does not say what was recorded."""

MATCHES = ("loose", "strict", "ignore")
DIVERGENCES_KEPT = 100


@dataclass(frozen=True, slots=True)
class _Cue:
    """What the server said: at `t_ms`, once the client has said `after` of its messages."""

    t_ms: float
    after: int
    what: Message | Close


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the client said, whole and taken apart to be compared."""

    t_ms: float
    message: Message
    said: Said


@dataclass(slots=True)
class _Script:
    """A recording as a play for two: what the server says and when, what the client is to say."""

    match: Match
    speed: float
    began_ms: float = 0.0
    cues: list[_Cue] = field(default_factory=list, repr=False)
    wanted: list[_Wanted] = field(default_factory=list, repr=False)
    passed_over: frozenset[Message] = frozenset()
    """Signs of life, which the client sends when nothing else is said: at another speed there are more, or fewer."""
    divergences: list[Divergence] = field(default_factory=list)

    @classmethod
    def of(cls, recording: Recording, provider: Provider, *, match: Match, speed: float) -> _Script:
        lines = recording.lines
        script = cls(match, speed, lines[0].t_ms if lines else 0.0, passed_over=_signs_of_life(provider, recording))
        for line in lines:
            script._add(line)
        return script

    def _add(self, line: Line) -> None:
        if line.kind == "sent" and line.value not in self.passed_over:
            self.wanted.append(_Wanted(line.t_ms, line.value, said(line.value, self.match)))
        elif line.kind == "received":
            self.cues.append(_Cue(line.t_ms, len(self.wanted), line.value))
        elif line.kind == "event" and isinstance(line.value, SessionClosed) and not line.value.by_us:
            self.cues.append(_Cue(line.t_ms, len(self.wanted), Close(code=line.value.code, reason=line.value.reason)))


def _signs_of_life(provider: Provider, recording: Recording) -> frozenset[Message]:
    settings = SessionSettings(model=recording.header.model or provider.default_model)
    codec = provider.for_model(recording.header.model).codec(settings, ids=counting_ids())
    if codec.keep_alive_s is None:
        return frozenset()
    codec.keep_alive()
    return frozenset(codec.messages_to_send())


class _Player(Emulator):
    """One connection to which a recording is played."""

    script: ClassVar[_Script]
    live: ClassVar[type[Emulator] | None] = None
    """The emulator of the route, for plain requests."""

    @classmethod
    def answer(cls, handshake: Handshake, base_url: str) -> Answer | None:
        """What the provider's emulator answers."""
        return None if cls.live is None else cls.live.answer(handshake, base_url)

    def __init__(self, handshake: Handshake, **how: Any) -> None:
        super().__init__(handshake, **how)
        self._played = 0
        self._heard = 0
        self._messages = 0
        self._sound = 0
        """Bytes of sound heard of the message that is wanted next."""
        self._shift_ms = 0.0
        self._ids: dict[str, str] = {}
        self._over = False

    @property
    def next_wake_ms(self) -> float | None:
        """When the next recorded frame is due; None while the client has to speak first."""
        return self._due_ms()

    def open(self) -> None:
        """The recorded clock starts."""
        self._set_clock(self.script.began_ms)
        self.wake()

    def open_keyless(self) -> None:
        """A recording needs no key."""
        self.open()

    def receive(self, message: Message) -> None:
        """Hold the client's message to the recorded one, and play what was waiting for it."""
        if self._over or message in self.script.passed_over:
            return
        self._messages += 1
        before = self._heard
        found = self._compare(message)
        if found is not None:
            self._diverge(found)
            return
        if self._heard > before:
            self._set_clock(self.script.wanted[self._heard - 1].t_ms)
        self.wake()

    def wake(self) -> None:
        """Play what is due."""
        while not self._over and (due_ms := self._due_ms()) is not None and due_ms <= self.clock():
            what = self.script.cues[self._played].what
            self._played += 1
            self._over = isinstance(what, Close)
            self._out.append(what if isinstance(what, Close) else self._renamed(what))

    def _due_ms(self) -> float | None:
        cues, speed = self.script.cues, self.script.speed
        if self._over or self._played == len(cues) or cues[self._played].after > self._heard:
            return None
        return self._shift_ms + (cues[self._played].t_ms / speed if speed else 0.0)

    def _set_clock(self, t_ms: float) -> None:
        """It is now that recorded moment."""
        speed = self.script.speed
        self._shift_ms = self.clock() - (t_ms / speed if speed else 0.0)

    # ------------------------------------------------------------------------------------------------- what was said

    def _compare(self, message: Message) -> tuple[str, str, str] | None:
        """Where the message differs from what is wanted; None: it does not, and is counted as heard."""
        now = said(message, self.script.match)
        wanted = self._wanted()
        if wanted is None:
            return "", "nothing more", _shown(message)
        if now.words != wanted.words:
            missing = "sound", f"{len(wanted.sound)} bytes", f"{self._sound} bytes"
            return missing if self._sound else difference(wanted, now)
        self._ids.update((a, b) for a, b in zip(wanted.ids, now.ids, strict=True) if a and a != b)
        return self._compare_sound(wanted, now) if now.sound else self._count(wanted)

    def _wanted(self) -> Said | None:
        wanted = self.script.wanted
        return wanted[self._heard].said if self._heard < len(wanted) else None

    def _count(self, wanted: Said) -> tuple[str, str, str] | None:
        if wanted.sound:
            return "sound", f"{len(wanted.sound)} bytes", "none"
        self._heard += 1
        return None

    def _compare_sound(self, wanted: Said | None, now: Said) -> tuple[str, str, str] | None:
        """Sound may be cut into other messages than it was; its bytes must be the same."""
        at = 0
        while at < len(now.sound):
            if wanted is None or wanted.words != now.words:
                return "sound", "no more of it", f"{len(now.sound) - at} bytes more"
            piece = wanted.sound[self._sound : self._sound + len(now.sound) - at]
            if now.sound[at : at + len(piece)] != piece or not piece:
                return "sound", "other bytes", f"{len(now.sound)} bytes"
            at += len(piece)
            self._sound += len(piece)
            if self._sound == len(wanted.sound):
                self._heard, self._sound = self._heard + 1, 0
                wanted = self._wanted()
        return None

    def _diverge(self, found: tuple[str, str, str]) -> None:
        divergence = Divergence(self._messages, *found)
        if len(self.script.divergences) < DIVERGENCES_KEPT:
            self.script.divergences.append(divergence)
        self._over = True
        reason = f"message {self._messages} differs from the recording: {found[0]}"
        self._out.append(Close(code=DIVERGED, reason=reason))

    def _renamed(self, message: Message) -> Message:
        """The message with the client's own ids in place of the recorded ones; as it is where these are the same."""
        for recorded, now in self._ids.items():
            if isinstance(message, str):
                message = message.replace(json.dumps(recorded), json.dumps(now))
            elif message[:1] == b"{":
                message = message.replace(json.dumps(recorded).encode(), json.dumps(now).encode())
        return message


def _shown(message: Message) -> str:
    from ..scrubbing import scrub_message

    text = repr(scrub_message(message))
    return text if len(text) <= 60 else f"{text[:59]}…"


class _Routes(RouteTable):
    """The routes of one provider, all of which lead to the recording."""

    def __init__(self, provider: Provider, script: _Script) -> None:
        super().__init__(Upstreams())
        self._own = provider
        self._script = script

    def find(self, route: str) -> Destination | None:
        """The recording, on every route of its provider; None on others."""
        found = super().find(route)
        if found is None or found.provider is None or found.provider.name != self._own.name:
            return None
        player = type("_Playing", (_Player,), {"script": self._script, "live": found.emulator})
        return Destination(provider=found.provider, emulator=cast("type[Emulator]", player))


class ReplayGateway(LocalGateway):
    """A gateway that plays one recording, from its start, to everyone who connects; made by `replay`."""

    def __init__(self, recording: Recording, *, name: str, speed: float, match: Match, **settings: Any) -> None:
        self.recording = recording
        self._name = name
        provider = providers.get(recording.header.provider)
        self._script = _Script.of(recording, provider, match=match, speed=speed)
        nothing = cast(Any, None)
        engines = Engines(responder=nothing, voice=nothing, listener=nothing)
        super().__init__(engines=engines, routes=_Routes(provider, self._script), **settings)

    @property
    def ids_seed(self) -> str | None:
        """That of the recorded session: a session of this package then says the very same."""
        return self.recording.header.ids_seed or None

    @property
    def plays(self) -> str:
        """The recording's file, without its folder; of a recording that is in no file, which session it is of."""
        return self._name

    @property
    def divergences(self) -> list[Divergence]:
        """What clients said that was not recorded, in order; the first hundred."""
        return list(self._script.divergences)

    def __repr__(self) -> str:
        where = self.url if self.running else "stopped"
        return f"<ReplayGateway of {self._name} {where}, {len(self.divergences)} divergences>"


def replay(
    recording: Recording | str | Path | Any, *, speed: float = 1.0, match: Match = "loose", **settings: Any
) -> ReplayGateway:
    """A gateway that plays a recording, for `with` and `connect(…, gateway=…)`, or for any other client at its `url`.

    `recording` is a file's path, a `Recording`, or whatever has one (`recording()`). `speed` is how many times faster
    than it was (0: at once). What the client says is held to what was recorded as `match` says; a client that says
    something else is closed with 4400, and `divergences` tells what. `settings` are those of `LocalGateway`, such as
    `port`. Raises `ConfigurationError` for a recording that cannot be read or played.
    """
    if match not in MATCHES:
        raise ConfigurationError(f"match={match!r} is not understood; give one of: {', '.join(MATCHES)}")
    if not 0 <= speed < float("inf"):
        raise ConfigurationError(f"speed={speed!r}: give 1 for as it was, 10 for ten times, 0 for at once")
    name = ""
    if isinstance(recording, str | Path):
        name, recording = Path(recording).name, read(recording)
    elif not isinstance(recording, Recording):
        recording = recording.recording()
    if recording.dropped or not any(line.kind == "received" for line in recording.lines):
        raise ConfigurationError(
            f"the recording of session {recording.header.session_id} cannot be played: "
            + (f"{recording.dropped} of its lines were not kept" if recording.dropped else "it holds no frames")
            + "; record the session again, with its messages"
        )
    name = name or f"session {recording.header.session_id}"
    return ReplayGateway(recording, name=name, speed=speed, match=match, **settings)
