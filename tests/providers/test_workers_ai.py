"""Workers AI and Deepgram through the embedded gateway's real sockets: what a caller gets, and what the records say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import aigw_notebook as aigw
from aigw_notebook.audio.formats import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, ULAW_8K
from aigw_notebook.errors import Unsupported, UpstreamRefused
from aigw_notebook.events import AudioDelta, InputTranscript, SpeechStarted
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.providers import SessionSettings, deepgram_flux, deepgram_listen, workers_ai
from aigw_notebook.providers.base import Provider
from aigw_notebook.providers.workers_ai import PROVIDER
from tests.speech import spoken_clip, understood_clip

LISTENING = ["workers-ai:@cf/deepgram/nova-3", "workers-ai:@cf/deepgram/flux", "deepgram", "deepgram:flux-general-en"]
SPEAKING = ["workers-ai:@cf/deepgram/aura-1", "deepgram:aura-2-thalia-en"]
Session = Any
clip_of = partial(spoken_clip, sample_rate=16_000)


@pytest.fixture
def connect(gateway: aigw.LocalGateway) -> Iterator[Callable[..., Session]]:
    """Opens sessions on a gateway without pace; they are closed after the test."""
    opened: list[Session] = []

    def connected(name: str, **settings: Any) -> Session:
        opened.append(aigw.connect(name, gateway=gateway, quiet=True, **settings).open())
        return opened[-1]

    yield connected
    for session in opened:
        session.close()


def talk(session: Session, text: str) -> None:
    """Say it into the microphone, and fall silent for a while."""
    audio = clip_of(text).data + bytes(48_000)
    for start in range(0, len(audio), 3_200):
        session.send_audio(audio[start : start + 3_200])


# --------------------------------------------------------------------------------------------------------- a clip


@pytest.mark.parametrize("name", LISTENING)
def test_a_clip_is_transcribed_with_its_words_as_they_come(connect: Callable[..., Session], name: str) -> None:
    session, heard = connect(name), []
    session.core.add_sink(lambda event: heard.append(event) if isinstance(event, InputTranscript) else None)
    turn = session.ask(audio=clip_of("the quick brown fox jumps"))
    assert (turn.text, turn.status, turn.user_text) == ("the quick brown fox jumps", "completed", turn.text)
    partials = [event.text for event in heard if not event.final]
    assert partials and partials == sorted(partials, key=len) and turn.text.startswith(partials[0])
    assert [event.text for event in heard if event.final] == [turn.text]


@pytest.mark.parametrize("name", LISTENING)
def test_a_clip_with_pauses_is_one_turn(connect: Callable[..., Session], name: str) -> None:
    session = connect(name)
    pause = bytes(48_000)
    audio = aigw.Clip(clip_of("one two").data + pause + clip_of("three").data + pause, PCM16_16K)
    assert session.ask(audio=audio).text == "one two three"
    assert session.ask(audio=clip_of("four")).text == "four"
    assert [row["turn"] for row in session.records] == [1, 2]


@pytest.mark.parametrize("name", LISTENING)
def test_a_silent_clip_has_no_words_and_its_turn_ends(connect: Callable[..., Session], name: str) -> None:
    turn = connect(name).ask(audio=aigw.Clip(bytes(32_000), PCM16_16K))
    assert (turn.text, turn.status) == ("", "completed")


@pytest.mark.parametrize("name", LISTENING)
def test_the_records_of_a_clip(connect: Callable[..., Session], name: str) -> None:
    session, clip = connect(name), clip_of("hello there")
    session.ask(audio=clip)
    (row,) = session.records
    assert (row["role"], row["kind"], row["status"], row["text"]) == ("user", "audio", "completed", "hello there")
    assert row["audio_ms"] == pytest.approx(clip.duration_ms)
    assert row["provider"] == name.partition(":")[0]


@pytest.mark.parametrize(
    ("name", "sound"), [(LISTENING[0], ULAW_8K), (LISTENING[1], PCM16_24K), (LISTENING[3], ALAW_8K)]
)
def test_other_formats_of_audio(connect: Callable[..., Session], name: str, sound: aigw.AudioFormat) -> None:
    turn = connect(name, input_format=sound).ask(audio=clip_of("one two three"))
    assert turn.text == "one two three"


# ------------------------------------------------------------------------------------------------------ microphone


@pytest.mark.parametrize("name", LISTENING)
def test_live_speech_makes_turns_by_itself(connect: Callable[..., Session], name: str) -> None:
    session = connect(name)
    for text in ("first thing", "second thing"):
        talk(session, text)
        turn = session.next_turn(timeout_s=10)
        assert (turn.text, turn.status) == (text, "completed")
    rows = session.records
    assert [row["text"] for row in rows] == ["first thing", "second thing"]
    assert all(row["audio_ms"] >= clip_of("first thing").duration_ms - 100 for row in rows)


@pytest.mark.parametrize("name", LISTENING)
def test_live_speech_after_a_clip_keeps_the_right_audio(connect: Callable[..., Session], name: str) -> None:
    session = connect(name)
    session.ask(audio=clip_of("a clip before"))
    talk(session, "and live speech")
    assert session.next_turn(timeout_s=10).text == "and live speech"
    assert understood_clip(session.audio(session.records[-1]["audio_ref"])) == "and live speech"


@pytest.mark.parametrize("name", LISTENING)
def test_a_push_to_talk_turn_ends_when_it_is_committed(connect: Callable[..., Session], name: str) -> None:
    session = connect(name, turn_detection="manual")
    talk(session, "one")
    talk(session, "two")
    session.commit()
    assert session.next_turn(timeout_s=10).text == "one two"


# ------------------------------------------------------------------------------------------------------ keeping alive


@pytest.mark.parametrize(("name", "module"), [(LISTENING[0], deepgram_listen), (LISTENING[1], deepgram_flux)])
def test_a_session_that_says_nothing_is_kept_alive(
    connect: Callable[..., Session], monkeypatch: pytest.MonkeyPatch, name: str, module: Any
) -> None:
    codec = module.ListenCodec if module is deepgram_listen else module.FluxCodec
    monkeypatch.setattr(codec, "keep_alive_s", 0.02)
    queued: list[int] = []
    keep_alive = codec.keep_alive
    monkeypatch.setattr(codec, "keep_alive", lambda self: (queued.append(1), keep_alive(self)))
    session, heard = connect(name), []
    session.core.add_sink(lambda event: heard.append(event) if isinstance(event, SpeechStarted) else None)
    while len(queued) < 3:
        with pytest.raises(TimeoutError):
            session.next_turn(timeout_s=0.05)
    monkeypatch.setattr(codec, "keep_alive", lambda self: None)  # its silence must not fall between the words
    talk(session, "still here")
    assert session.next_turn(timeout_s=10).text == "still here"
    assert heard[0].at_ms is not None and heard[0].at_ms < 200


# -------------------------------------------------------------------------------------------------------- speaking


@pytest.mark.parametrize("name", SPEAKING)
def test_text_is_spoken(connect: Callable[..., Session], name: str) -> None:
    session = connect(name)
    for text in ("hello out there", "once more"):
        turn = session.ask(text)
        assert (turn.text, turn.status, understood_clip(turn.audio)) == (text, "completed", text)
        assert turn.latency.first_audio_ms is not None
    rows = [(row["role"], row["kind"], row["text"]) for row in session.records[:2]]
    assert rows == [("user", "text", "hello out there"), ("assistant", "audio", "hello out there")]


@pytest.mark.parametrize("name", SPEAKING)
def test_speech_in_another_format(connect: Callable[..., Session], name: str) -> None:
    turn = connect(name, output_format=PCM16_8K).ask("hello")
    assert turn.audio is not None and turn.audio.format == PCM16_8K and understood_clip(turn.audio) == "hello"


@pytest.mark.parametrize("name", SPEAKING)
def test_an_interrupted_answer_stops_and_the_next_one_is_whole(name: str) -> None:
    pace = Pace(first_token_ms=0, audio_speed=1.0)
    with aigw.LocalGateway(pace=pace) as gateway, aigw.connect(name, gateway=gateway, quiet=True) as session:
        heard = threading.Event()
        session.core.add_sink(lambda event: heard.set() if isinstance(event, AudioDelta) else None)

        def stop() -> None:
            heard.wait(10)
            session.interrupt(50)

        stopper = threading.Thread(target=stop)
        stopper.start()
        turn = session.ask("a long sentence that would take many seconds to be spoken to its very end")
        stopper.join()
        assert turn.status == "interrupted"
        assert turn.audio is not None and turn.audio.duration_ms < 2_000
        assert understood_clip(session.ask("ok").audio) == "ok"


# -------------------------------------------------------------------------------------------------------- refusals


def test_who_only_listens_takes_no_text_and_who_only_speaks_no_sound(connect: Callable[..., Session]) -> None:
    with pytest.raises(Unsupported, match="openai"):
        connect(LISTENING[0]).ask("hello")
    with pytest.raises(Unsupported, match="spoken input"):
        connect(SPEAKING[0]).ask(audio=clip_of("hello"))


def test_the_upgrade_is_refused_for_an_unknown_model(gateway: aigw.LocalGateway) -> None:
    with pytest.raises(UpstreamRefused, match="No such model"):
        aigw.connect("workers-ai:@cf/openai/whisper", gateway=gateway, quiet=True).open()


def test_what_a_refused_upgrade_says_is_passed_on(gateway: aigw.LocalGateway) -> None:
    with pytest.raises(UpstreamRefused, match="INVALID_QUERY_PARAMETER") as raised:
        aigw.connect("deepgram", gateway=gateway, options={"sample_rate": None}, quiet=True).open()
    assert raised.value.status == 400


def test_a_direct_connection_is_refused() -> None:
    with pytest.raises(Unsupported, match="gateway"):
        aigw.connect("workers-ai", direct=True)


# --------------------------------------------------------------------------------------------------------- queries


def query(model: str | None, **settings: Any) -> dict[str, Any]:
    chosen = PROVIDER.for_model(model)
    return dict(chosen.query(SessionSettings(model=model, **settings)))


@pytest.mark.parametrize(
    ("model", "full", "codec"),
    [(None, "@cf/deepgram/nova-3", "_NovaCodec"), ("flux", "@cf/deepgram/flux", "_FluxCodec"),
     ("@cf/deepgram/flux", "@cf/deepgram/flux", "_FluxCodec"), ("aura-2-es", "@cf/deepgram/aura-2-es", "_AuraCodec")],
)  # fmt: skip
def test_a_model_may_be_named_without_its_vendor(model: str | None, full: str, codec: str) -> None:
    assert query(model)["model"] == full
    assert PROVIDER.for_model(model).codec is getattr(workers_ai, codec)


def test_flux_is_asked_for_nothing_that_it_does_not_know() -> None:
    assert query("flux") == {"model": "@cf/deepgram/flux", "encoding": "linear16", "sample_rate": "16000"}


def test_a_voice_is_a_parameter_and_a_format_is_named_when_it_is_another() -> None:
    assert query("aura-1", voice="luna") == {"model": "@cf/deepgram/aura-1", "speaker": "luna"}
    assert query("aura-1", output_format=ULAW_8K)["encoding"] == "mulaw"


@pytest.mark.parametrize("provider", [PROVIDER, *PROVIDER.variants], ids=lambda p: p.title)
def test_the_formats_told_are_those_that_are_taken(provider: Provider) -> None:
    can = provider.capabilities
    for sound in can.input_formats:
        assert provider.codec(SessionSettings(input_format=sound), ids=str).input_format == sound
    for sound in can.output_formats:
        assert provider.codec(SessionSettings(output_format=sound), ids=str).output_format == sound
    if can.input_formats:
        with pytest.raises(Unsupported, match="pcm16 16000 Hz"):
            provider.codec(SessionSettings(input_format=ALAW_8K), ids=str)


@pytest.mark.parametrize("name", [LISTENING[0], LISTENING[1]])
def test_the_gateway_token_may_travel_as_a_subprotocol(connect: Callable[..., Session], name: str) -> None:
    assert connect(name, auth="subprotocol").ask(audio=clip_of("hello")).text == "hello"
