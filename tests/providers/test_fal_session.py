"""Fal through the embedded gateway's real sockets: pictures, words and speech, and what the records say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import aigw_notebook as aigw
from aigw_notebook.audio.formats import PCM16_24K
from aigw_notebook.errors import Unsupported, UpstreamRefused
from tests.speech import understood_clip

pytestmark = pytest.mark.sessions


@pytest.fixture
def session(gateway: aigw.LocalGateway) -> Iterator[aigw.Session]:
    with aigw.connect("fal", gateway=gateway, quiet=True) as opened:
        yield opened


def test_a_prompt_becomes_a_picture(session: aigw.Session) -> None:
    turn = session.ask("a red fox")
    (picture,) = turn.images
    assert turn.status == "completed" and turn.text == "" and turn.error is None
    assert picture.media_type == "image/png" and picture.data is not None and picture.data.startswith(b"\x89PNG")
    asked, drawn = session.records
    assert (asked["role"], asked["kind"], asked["text"]) == ("user", "text", "a red fox")
    assert (drawn["role"], drawn["kind"], drawn["status"]) == ("assistant", "image", "completed")
    assert drawn["response_id"] == picture.response_id and drawn["text"] is None
    assert drawn["model"] == "fal-ai/fast-lcm-diffusion"


def test_prompts_follow_each_other(session: aigw.Session) -> None:
    first, second = session.ask("a red fox"), session.ask("a blue hare")
    assert first.images[0].data != second.images[0].data and len(session.records) == 4


def test_options_go_with_every_request(gateway: aigw.LocalGateway) -> None:
    options = {"num_images": 3, "image_size": {"width": 32, "height": 32}}
    with aigw.connect("fal:fal-ai/fast-sdxl", gateway=gateway, options=options, quiet=True) as session:
        assert len(session.ask("a fox").images) == 3


def test_an_app_that_writes(gateway: aigw.LocalGateway) -> None:
    with aigw.connect("fal:fal-ai/any-llm", gateway=gateway, quiet=True) as session:
        turn = session.ask("What is 2 plus 3?")
        assert "5" in turn.text and turn.status == "completed" and not turn.images
        assert turn.latency.first_token_ms is not None


def test_an_app_that_speaks(gateway: aigw.LocalGateway) -> None:
    with aigw.connect("fal:fal-ai/kokoro/american-english", gateway=gateway, quiet=True) as session:
        clip = session.ask("hello there").audio
        assert clip is not None
        assert understood_clip(clip) == "hello there"


def test_a_refused_prompt_is_a_failed_turn_and_the_session_goes_on(gateway: aigw.LocalGateway) -> None:
    with aigw.connect("fal", gateway=gateway, options={"prompt": ""}, quiet=True) as session:
        turn = session.ask("a fox")
        assert turn.status == "failed" and turn.error == "body.prompt: field required"
        assert session.records[-1]["error_code"] == "422"
        assert session.ask("a fox").status == "failed"


def test_no_sound_and_no_pictures_go_in(session: aigw.Session) -> None:
    with pytest.raises(Unsupported, match="spoken input"):
        session.ask(audio=aigw.Clip(bytes(480), PCM16_24K))
    with pytest.raises(Unsupported, match="image input"):
        session.ask("look", image=b"\x89PNG\r\n\x1a\n")


def test_an_app_without_an_owner_is_refused_by_the_gateway(gateway: aigw.LocalGateway) -> None:
    provider = aigw.providers.get("fal")

    with pytest.raises(UpstreamRefused, match="Application not found"):
        aigw.connect(replace(provider, tail=lambda settings: "/alone"), gateway=gateway, quiet=True).open()
