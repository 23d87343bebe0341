"""`connect`: from a provider's name to an open session, on the gateway that the settings name."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Literal

from .audio.formats import AudioFormat
from .endpoint import Endpoint, Gateway, resolve
from .errors import ConfigurationError
from .faces import AsyncSession, Session
from .gateway.local import LocalGateway
from .portal import portal, ticking
from .providers import Provider, SessionSettings, TurnDetection, get
from .session import SessionCore
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
        await core.open(timeout_s=self._timeout_s)
        here = portal()
        here.at_close(core.close)
        core.on_over = lambda: here.forget(core.close)
        return core

    def _say(self, core: SessionCore) -> None:
        if not self._quiet:
            print(core.where)

    def __repr__(self) -> str:
        return "<Connection, not open: use `with`, `async with`, `await` or .open()>"


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
    transcription: bool | str | Mapping[str, Any] | None = None,
    temperature: float | None = None,
    speed: float | None = None,
    max_output_tokens: int | None = None,
    input_format: AudioFormat | None = None,
    output_format: AudioFormat | None = None,
    options: Mapping[str, Any] | None = None,
    tool_timeout_s: float = 30.0,
    timeout_s: float = 10.0,
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

    Nothing is opened or sent yet. What the provider lacks, a missing key, an unknown provider: `ConfigurationError` and
    its kind, at once. Opening raises `Unreachable`, `Unauthorized` or `UpstreamRefused`. The line that says where the
    session is connected is printed when it opens, unless `quiet`.
    """
    if isinstance(provider, str) and ":" in provider and model is None:
        provider, _, model = provider.partition(":")
    known = (provider if isinstance(provider, Provider) else get(provider)).for_model(model)
    declared = [as_tool(tool) for tool in tools]
    settings = SessionSettings(
        model=model or known.default_model,
        voice=voice,
        instructions=instructions,
        modalities=(modalities,) if isinstance(modalities, str) else tuple(modalities) if modalities else None,
        turn_detection=_turn_detection(turn_detection),
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
    known.codec(settings, ids=lambda prefix: prefix)  # what the provider lacks is refused here, before anything opens
    endpoint = _endpoint(known, settings, gateway=gateway, token=token, api_key=api_key, auth=auth, direct=direct)
    return Connection(
        lambda: SessionCore(known, settings, endpoint(), tools=declared, tool_timeout_s=tool_timeout_s),
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
    """A local gateway as an address: "embedded", keyless and free, only where an emulator answers."""
    if local.emulates(provider.route):
        return Gateway.embedded(local.url, token=local.token)
    return Gateway.from_url(local.url, token=local.token)


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
