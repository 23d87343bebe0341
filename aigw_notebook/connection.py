"""`connect`: from a provider's name to an open session, on the gateway that the settings name."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Literal

from .audio.formats import AudioFormat
from .endpoint import Endpoint, Gateway, resolve
from .errors import ConfigurationError
from .faces import AsyncSession, Session
from .gateway.local import LocalGateway
from .history import HistoryLike, history_of
from .log import SessionLog, mode_of, open_log, shown
from .portal import portal, ticking
from .providers import Codec, Provider, SessionSettings, TurnDetection, get, named_model
from .seeds import NO_SEED, Seed, seed_of
from .session import BargeInMode, SessionCore, header_of, ruled
from .session.living import remember
from .session.needs import need
from .session.spending import check_max_cost
from .tools import Tool, as_tool

__all__ = ["Connection", "connect", "embedded_gateway"]

Auth = Literal["header", "query", "subprotocol"]
TurnDetectionLike = TurnDetection | Mapping[str, Any] | str | bool | None


class Connection:
    """A session about to be opened: `with` it, `async with` it, `await` it, or call `open()`."""

    def __init__(self, make_core: Callable[[], SessionCore], *, timeout_s: float, quiet: bool) -> None:
        self._make_core = make_core
        self._timeout_s = timeout_s
        self._quiet = quiet
        self._session: Session | AsyncSession | None = None

    def open(self) -> Session:
        """The open session, blocking form; the caller closes it. Prints where it is connected, in one line."""
        core = portal().run(self._open())
        self._say(core)
        return Session(core)

    def __enter__(self) -> Session:
        self._session = session = self.open()
        return session

    def __exit__(self, *exc_info: object) -> None:
        if isinstance(self._session, Session):
            self._session.close()

    def __await__(self) -> Generator[Any, None, AsyncSession]:
        return self._open_async().__await__()

    async def __aenter__(self) -> AsyncSession:
        self._session = session = await self._open_async()
        return session

    async def __aexit__(self, *exc_info: object) -> None:
        if isinstance(self._session, AsyncSession):
            await self._session.close()

    async def _open_async(self) -> AsyncSession:
        core = await ticking(portal().submit(self._open()))
        self._say(core)
        return AsyncSession(core)

    async def _open(self) -> SessionCore:
        core = self._make_core()
        log = core.log if isinstance(core.log, SessionLog) else None
        if log is not None:
            log.begin(core.transcript, header_of(core), core.endpoint.secrets)
            core.on_over = log.close
        try:
            await core.open(timeout_s=self._timeout_s)
        except BaseException:
            if log is not None:
                log.close()
            raise
        remember(core)
        here = portal()
        here.at_close(core.close)
        core.on_over = lambda: _over(log, lambda: here.forget(core.close))
        return core

    def _say(self, core: SessionCore) -> None:
        if not self._quiet:
            print(core.where)
            _say_log(core)

    def __repr__(self) -> str:
        return "<Connection, not open: use `with`, `async with`, `await` or .open()>"


def _over(log: SessionLog | None, forget: Callable[[], None]) -> None:
    if log is not None:
        log.close()
    forget()


_told: set[object] = set()


def _say_log(core: SessionCore) -> None:
    """Say once where a session's log lies, and how to be rid of it."""
    if isinstance(core.log, SessionLog) and core.log.writer.failed is None and core.log.writer.path not in _told:
        _told.add(core.log.writer.path)
        print(
            f"Log: all that is said goes to {shown(core.log.writer.path)}, without keys; "
            f'log="off" keeps nothing, aigw.purge(older_than=30) deletes.'
        )


def connect(
    provider: str | Provider,
    *,
    model: str | None = None,
    gateway: Gateway | LocalGateway | str | None = None,
    token: str | None = None,
    api_key: str | None = None,
    auth: Auth = "header",
    direct: bool = False,
    voice: str | None = None,
    instructions: str | None = None,
    tools: Sequence[Callable[..., Any] | Tool] = (),
    tool_choice: str | Mapping[str, Any] | None = None,
    modalities: Sequence[str] | str | None = None,
    turn_detection: TurnDetectionLike = None,
    barge_in: BargeInMode | None = None,
    hold_s: float = 1.0,
    transcription: bool | str | Mapping[str, Any] | None = None,
    temperature: float | None = None,
    speed: float | None = None,
    max_output_tokens: int | None = None,
    input_format: AudioFormat | None = None,
    output_format: AudioFormat | None = None,
    options: Mapping[str, Any] | None = None,
    tool_timeout_s: float = 30.0,
    timeout_s: float = 10.0,
    log: str | None = None,
    history: HistoryLike | None = None,
    max_cost: float | None = None,
    quiet: bool = False,
) -> Connection:
    """A session with a provider, to be opened by `with`, `async with`, `await` or `.open()`.

    `provider` is a name, or `name:model`.

    Where it connects: to `gateway` (a `Gateway`, a `LocalGateway`, or a gateway's URL with its `token`); else to the
    gateway that the environment names (`CLOUDFLARE_ACCOUNT_ID`, `CLOUDFLARE_GATEWAY_ID`, `CF_AIG_TOKEN`); else to the
    embedded gateway of this process, which needs no key and costs nothing. `direct` goes round every gateway, straight
    to the provider. `auth` says how credentials travel.

    `tools` are functions with type hints and a docstring. `modalities` is what the model answers with: "audio" (speech
    with its transcript) or "text". `turn_detection` is a `TurnDetection`, a mapping of its fields, "server",
    "semantic", "manual", True or False. What a setting means is told in `SessionSettings`; what only one provider has
    goes in `options`, as it is.

    `barge_in` says who may break off an answer by speaking: "server" (the usual: the provider decides), "hold" (what
    is played pauses up to `hold_s` seconds, and goes on when no words come, as after a cough) or "off".

    `log` says what is kept of the session: "on" (all its messages, without keys, in the user's log file), "memory"
    (until the session object is gone) or "off"; None: what `AIGW_NOTEBOOK_LOG` says, else "on".

    `history` is what was said before, which the model then knows: (role, words) pairs, turns, a session or its
    recording. See `fork`, which begins a session where another one was.

    `max_cost` is what the session may cost in US dollars, at the list price on the embedded gateway too. The turn that
    passes it is finished; then the session is closed, and whoever asks again gets `SessionEnded`. A model without a
    known price is refused. See docs/cost.md.

    Nothing is opened or sent yet. What the provider lacks, a missing key, an unknown provider: `ConfigurationError` and
    its kind, at once. Opening raises `Unreachable`, `Unauthorized` or `UpstreamRefused`. The line that says where the
    session is connected is printed when it opens, unless `quiet`.
    """
    if isinstance(provider, str) and ":" in provider:
        provider, model = named_model(provider, model)
    known = (provider if isinstance(provider, Provider) else get(provider)).for_model(model)
    _check_forms(voice, tools, max_output_tokens, options)
    declared = [as_tool(tool) for tool in tools]
    _check_barge_in(known, barge_in, hold_s)
    settings = SessionSettings(
        model=model or known.default_model,
        voice=voice,
        instructions=instructions,
        modalities=(modalities,) if isinstance(modalities, str) else tuple(modalities) if modalities else None,
        turn_detection=ruled(_turn_detection(turn_detection), barge_in, known.capabilities),
        transcription=(True if known.capabilities.transcription else None) if transcription is None else transcription,
        tools=tuple(tool.declaration for tool in declared),
        tool_choice=tool_choice,
        temperature=temperature,
        speed=speed,
        max_output_tokens=max_output_tokens,
        input_format=input_format,
        output_format=output_format,
        options=dict(options or {}),
    )
    mode = mode_of(log)
    check_max_cost(known.name, settings.model, max_cost)
    codec = known.codec(settings, ids=lambda prefix: prefix)  # refuses what the provider lacks, before anything opens
    seed = _seed(known, codec, history)
    endpoint = _endpoint(known, settings, gateway=gateway, token=token, api_key=api_key, auth=auth, direct=direct)
    return Connection(
        lambda: SessionCore(
            known,
            settings,
            endpoint(),
            tools=declared,
            tool_timeout_s=tool_timeout_s,
            barge_in=barge_in,
            hold_s=hold_s,
            log=open_log(mode),
            ids_seed=gateway.ids_seed if isinstance(gateway, LocalGateway) else None,
            seed=seed,
            max_cost=max_cost,
        ),
        timeout_s=timeout_s,
        quiet=quiet,
    )


def _endpoint(
    provider: Provider,
    settings: SessionSettings,
    *,
    gateway: Gateway | LocalGateway | str | None,
    token: str | None,
    api_key: str | None,
    auth: Auth,
    direct: bool,
) -> Callable[[], Endpoint]:
    def endpoint(chosen: Gateway | None) -> Endpoint:
        return resolve(
            provider, settings, gateway=chosen, api_key=api_key, auth=auth, direct=direct, environ=os.environ
        )

    if direct:
        found = endpoint(None)
        return lambda: found
    chosen = _gateway(gateway, token, provider)
    if chosen is None:
        return lambda: endpoint(_as_gateway(embedded_gateway(), provider))
    found = endpoint(chosen)
    return lambda: found


def _gateway(gateway: Gateway | LocalGateway | str | None, token: str | None, provider: Provider) -> Gateway | None:
    if isinstance(gateway, LocalGateway):
        return _as_gateway(gateway, provider)
    if isinstance(gateway, str):
        return Gateway.from_url(gateway, token=token)
    return gateway or Gateway.from_env(os.environ)


def _as_gateway(local: LocalGateway, provider: Provider) -> Gateway:
    """A local gateway as an address: keyless and free only where a recording or an emulator answers."""
    if local.plays:
        return Gateway.replaying(local.url, token=local.token, plays=local.plays)
    if local.emulates(provider.route):
        return Gateway.embedded(local.url, token=local.token)
    return Gateway.from_url(local.url, token=local.token)


def _check_forms(voice: object, tools: object, max_output_tokens: int | None, options: object) -> None:
    """Refuse what no provider could take, before it becomes part of an address or a message."""
    if voice is not None and not isinstance(voice, str | Mapping):
        raise ConfigurationError(f"voice={voice!r} is no name: give the voice's name or id as text")
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise ConfigurationError("tools is not a list: give the functions in one, as in tools=[look_up]")
    if max_output_tokens is not None and max_output_tokens < 1:
        raise ConfigurationError(f"max_output_tokens is {max_output_tokens}: give 1 or more, or leave it out")
    if options is not None and not isinstance(options, Mapping):
        raise ConfigurationError("options is not a mapping: give a dict of the provider's own names and values")
    try:
        json.dumps(options, allow_nan=False, default=_as_dict)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"options is not JSON ({error}): use plain dicts, lists, text, numbers") from None


def _as_dict(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"it holds a value of type {type(value).__name__}")


def _seed(provider: Provider, codec: Codec, history: HistoryLike | None) -> Seed:
    if history is None:
        return NO_SEED
    past = history_of(history)
    if past.parts:
        need(provider, "seed_history", "way to begin with what was said before")
    return seed_of(past, provider.capabilities, codec.input_format)


def _check_barge_in(provider: Provider, mode: BargeInMode | None, hold_s: float) -> None:
    if mode not in (None, "server", "hold", "off"):
        raise ConfigurationError(f'barge_in={mode!r} is not understood; give "server", "hold" or "off"')
    if not 0 < hold_s <= 10:
        raise ConfigurationError(f"hold_s is {hold_s:g}: give the seconds a pause may last, above 0 and at most 10")
    if mode == "hold":
        need(provider, "answers_on_request", "turns that it marks and leaves unanswered, which holding needs")
    if mode == "off" and provider.capabilities.server_turns:
        need(provider, "keeps_speaking", "answers that go on when the user speaks")


def _turn_detection(value: TurnDetectionLike) -> TurnDetection | None:
    if value is None or isinstance(value, TurnDetection):
        return value
    if isinstance(value, bool):
        return TurnDetection(mode="server" if value else "manual")
    try:
        if isinstance(value, str):
            if value not in ("server", "semantic", "manual"):
                raise TypeError
            return TurnDetection(mode=value)  # type: ignore[arg-type]
        return TurnDetection(**value)
    except TypeError:
        known = ", ".join(TurnDetection.__dataclass_fields__)
        raise ConfigurationError(
            f'turn_detection={value!r} is not understood; give "server", "semantic", "manual" or a mapping of: {known}'
        ) from None


_lock = threading.Lock()
_embedded: LocalGateway | None = None


def embedded_gateway() -> LocalGateway:
    """The embedded gateway of this process: started at the first call, stopped when the process ends."""
    global _embedded
    with _lock:
        if _embedded is None or not _embedded.running:
            _embedded = LocalGateway()
            _embedded.start()
        return _embedded
