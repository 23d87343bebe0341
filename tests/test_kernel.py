"""`%%aigw` in a real kernel: outputs, order, bytes, Interrupt, Stop; with a page that answers and with none."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from aigw_notebook.audio.wav import read_wav
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Pace
from tests.kernels import VIEW, Cell, Kernel, Message, running
from tests.notebook_files import notebook_of

pytestmark = pytest.mark.kernel

LONG = "Count from 1 to 90"
SHORT = "Count from 1 to 12"

FRONT_ENDS = pytest.mark.parametrize("classic", [False, True], ids=["subshells", "classic"])


def kernel_at(pace: Pace, folder: Path) -> Iterator[Kernel]:
    with LocalGateway(pace=pace, token="kernel-token") as gateway:
        environment = {"AIGW_GATEWAY_URL": gateway.url, "CF_AIG_TOKEN": gateway.token, "IPYTHONDIR": str(folder)}
        with running(environment) as kernel:
            yield kernel


@pytest.fixture(scope="module")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose provider writes a word a millisecond and speaks six times faster than real time."""
    pace = Pace(first_token_ms=20.0, text_delta_ms=1.0, audio_speed=6.0)
    yield from kernel_at(pace, tmp_path_factory.mktemp("brisk"))


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose provider takes its time: a word each 60 ms, sound in real time."""
    pace = Pace(first_token_ms=20.0, text_delta_ms=60.0, audio_speed=1.0)
    yield from kernel_at(pace, tmp_path_factory.mktemp("slow"))


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for name in {"brisk", "slow"} & set(request.fixturenames):
        kernel: Kernel = request.getfixturevalue(name)
        kernel.view, kernel.classic = True, False
        kernel.cell("%autoawait True\n%aigw close")


def players(cell: Cell) -> list[str]:
    """The HTML of each audio message, in the order they were sent."""
    contents = [*cell.contents("display_data"), *cell.contents("update_display_data")]
    return [content["data"]["text/html"] for content in contents if "text/html" in content["data"]]


def wav_of(html: str) -> bytes:
    return b64decode(html.split("base64,", 1)[1].split('"', 1)[0])


# ------------------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize("view", [True, False], ids=["page", "nobody"])
def test_a_finished_cell_holds_one_text_and_one_player(brisk: Kernel, view: bool) -> None:
    brisk.view = view
    cell = brisk.cell("%%aigw openai\nWhat is the capital of Portugal, and why should I visit?")
    where, text, audio = cell.outputs
    assert "AI Gateway" in where["stdout"]
    assert text["text/markdown"].startswith("The capital of Portugal is Lisbon.")
    assert text["text/plain"] == text["text/markdown"]
    assert "autoplay" not in audio["text/html"]
    assert "execute_result" not in cell.kinds
    assert brisk.value("[_.status, Out[max(Out)] is _, _.text]") == ["completed", True, text["text/markdown"]]
    length = brisk.value("_.audio.duration_ms")
    format_, sound = read_wav(wav_of(audio["text/html"]))
    assert format_.duration_ms(sound) == pytest.approx(length, abs=1)


def test_displaying_a_turn_again_shows_it_again(brisk: Kernel) -> None:
    brisk.cell("%%aigw openai --into turn\nCount from 1 to 3")
    cell = brisk.cell("turn")
    assert cell.of("text/markdown") == ["One, two, three."]
    assert len(cell.of("text/html")) == 1
    assert "execute_result" not in cell.kinds


def test_a_turn_of_the_blocking_session_shows_itself_the_same_way(brisk: Kernel) -> None:
    cell = brisk.cell(
        "import aigw_notebook as aigw\nwith aigw.connect('openai') as session:\n"
        "    turn = session.ask('Count from 1 to 3')\nturn"
    )
    assert cell.of("text/markdown") == ["One, two, three."]
    assert len(cell.of("text/html")) == 1


def test_text_that_is_a_path_or_an_address_is_shown_and_not_opened(brisk: Kernel) -> None:
    for text in (".", "http://127.0.0.1:9/"):
        cell = brisk.cell(f"%%aigw openai --no-audio --new --instructions 'reply \"{text}\"'\nhello")
        assert cell.of("text/markdown") == [text]


@pytest.mark.parametrize("awaited", [True, False])
def test_cells_sent_together_keep_their_outputs_apart(slow: Kernel, awaited: bool) -> None:
    slow.cell(f"%autoawait {awaited}")
    numbers = [3, 4, 2]
    cells = slow.run(*[f"%%aigw openai\nCount from 1 to {n}" for n in numbers], "print(_.number)")
    words = ["One, two, three.", "One, two, three, four.", "One, two."]
    assert [cell.of("text/markdown") for cell in cells] == [[word] for word in words] + [[]]
    assert [len(cell.of("text/html")) for cell in cells] == [1, 1, 1, 0]
    assert cells[3].of("stdout") == ["3\n"]


def test_every_form_of_a_turn_takes_the_place_of_the_live_text(brisk: Kernel) -> None:
    shown = {name: brisk.cell(f"%%aigw openai -f {name}\nCount from 1 to 3").outputs for name in ("json", "records")}
    assert shown["json"][-1]["application/json"]["text"] == "One, two, three."
    assert "<td>One, two, three.</td>" in shown["records"][-1]["text/html"]
    assert not any(VIEW in output for outputs in shown.values() for output in outputs)


def test_a_mistake_leaves_one_line_and_no_widget(brisk: Kernel) -> None:
    cell = brisk.cell("%%aigw openai --bogus\nhello")
    assert cell.outputs == [{"stderr": "aigw: unrecognized arguments: --bogus; %%aigw? lists the options\n"}]


# ---------------------------------------------------------------------------------------------------------- live, bytes


@FRONT_ENDS
def test_the_first_words_are_on_the_screen_long_before_the_last(slow: Kernel, classic: bool) -> None:
    """In the widget; where it cannot say that it listens while the cell runs, as updates of its place from then on."""
    slow.classic = classic
    cell = slow.cell("%%aigw openai --no-audio\nCount from 1 to 40")
    texts = [message for message in cell.custom("text") if "elapsed_ms" not in message]
    assert [message["seq"] for message in texts] == list(range(len(texts)))
    assert texts[0]["parts"] == ["One,"]
    assert len(texts) > 10
    assert "".join(part for message in texts for part in message["parts"]).startswith("One, two, three")
    updates = [content["data"]["text/markdown"] for content in cell.contents("update_display_data")]
    assert (len(updates) == 1) == slow.hears(awaited=True)
    assert all(later.startswith(earlier) for earlier, later in pairwise(updates))
    assert cell.of("text/markdown") == [updates[-1]]


def test_sound_begins_in_mid_turn_and_goes_on_in_one_place(slow: Kernel) -> None:
    cell = slow.cell("%%aigw openai\nCount from 1 to 12")
    html = players(cell)
    assert len(html) >= 4
    assert ["autoplay" in player for player in html] == [True] * (len(html) - 1) + [False]
    whole = read_wav(wav_of(html[-1]))[1]
    parts = b"".join(read_wav(wav_of(player))[1] for player in html[:-1])
    assert whole.startswith(parts)
    assert len(parts) > len(whole) / 2
    places = {
        message["content"]["transient"]["display_id"]
        for message in cell.messages
        if "text/html" in message["content"].get("data", {})
    }
    assert len(places) == 1
    begun = next(i for i, m in enumerate(cell.messages) if "text/html" in m["content"].get("data", {}))
    assert begun < len(cell.messages) / 2


def test_the_bytes_of_spoken_turns_are_linear(brisk: Kernel) -> None:
    sizes = {}
    for last in (20, 80):
        cell = brisk.cell(f"%%aigw openai\nCount from 1 to {last}")
        sizes[last] = cell.byte_count / (brisk.value("len(_.audio.data)") * 4 / 3)
    assert max(sizes.values()) < 2.3, sizes  # once in segments, once as the whole, and the rest


@pytest.mark.parametrize("view", [True, False], ids=["page", "nobody"])
def test_two_thousand_deltas_cost_few_bytes(brisk: Kernel, view: bool) -> None:
    brisk.view = view
    most = 80_000 if view and brisk.hears(awaited=True) else 160_000
    brisk.cell("say = 'reply \"' + 'voila ' * 1999 + 'voila\"'")
    cell = brisk.cell("%%aigw openai --no-audio --instructions {{say}}\nhello")
    (text,) = cell.of("text/markdown")
    assert text == "voila " * 1999 + "voila"
    assert brisk.value("_.status") == "completed"
    assert cell.byte_count <= most
    print(f"{cell.byte_count} bytes in {len(cell.messages)} messages, {len(cell.custom('text'))} of text")


# ----------------------------------------------------------------------------------------------------- Interrupt, Stop


def after(count: int, act: Callable[[], object]) -> Callable[[Message], None]:
    """Acts once, when the kernel has sent that many text messages."""
    seen: list[Message] = []

    def on(message: Message) -> None:
        data = message["content"].get("data", {})
        if message["msg_type"] == "comm_msg" and data.get("content", {}).get("kind") == "text":
            seen.append(message)
            if len(seen) == count:
                act()

    return on


def asking(question: str, *, awaited: bool) -> str:
    """A cell that asks; the turn is `turn`."""
    if awaited:
        return f"%%aigw openai --into turn\n{question}"
    return f"turn = get_ipython().run_cell_magic('aigw', 'openai', {question!r})"


@pytest.mark.parametrize("awaited", [True, False], ids=["awaited", "blocking"])
@pytest.mark.parametrize("view", [True, False], ids=["page", "nobody"])
def test_interrupt_keeps_what_was_said_and_the_session(slow: Kernel, awaited: bool, view: bool) -> None:
    slow.view = view
    slow.cell("%%aigw openai\nMy name is Ana. Count from 1 to 2")
    cell = slow.cell(asking(LONG, awaited=awaited), on=after(4, slow.manager.interrupt_kernel))
    text, audio, error = cell.outputs
    assert text["text/markdown"].startswith("One, ")
    assert text["text/markdown"].endswith("\n\n*(cancelled)*")
    assert "90" not in text["text/markdown"]
    assert "autoplay" not in audio["text/html"]
    assert error == {"error": "KeyboardInterrupt"}
    assert slow.cell("%aigw records").contents("execute_result")
    assert slow.value("list(_['status'])[-1]") == "cancelled"
    assert slow.cell("%%aigw openai --timeout 20\nWhat is my name?").of("text/markdown") == ["Your name is Ana."]


def stopped(kernel: Kernel, source: str, played_ms: float | None) -> Cell:
    """The cell, when Stop is pressed in its widget after a few words."""
    shown: list[str] = []

    def look(message: Message) -> None:
        data = message["content"].get("data", {})
        if VIEW in data:
            shown.append(data[VIEW]["model_id"])

    press = after(6, lambda: kernel.say(shown[0], kind="stop", played_ms=played_ms))
    return kernel.cell(source, on=lambda message: (look(message), press(message)))


@FRONT_ENDS
@pytest.mark.parametrize("awaited", [True, False], ids=["awaited", "blocking"])
@pytest.mark.parametrize("played_ms", [None, 300])
def test_stop_ends_the_turn_and_not_the_cell(slow: Kernel, played_ms: Any, awaited: bool, classic: bool) -> None:
    """Where Stop is heard only after the cell, the answer is whole; the next one must not be stopped instead."""
    slow.classic = classic
    heard = slow.hears(awaited=awaited)
    cell = stopped(slow, asking(LONG if heard else SHORT, awaited=awaited), played_ms)
    assert "error" not in cell.kinds
    (text,) = cell.of("text/markdown")
    assert text.startswith("One, two, three, ")
    assert text.endswith("*(interrupted)*" if heard else " twelve.")
    assert len(cell.custom("hush")) == heard
    rows = slow.value("[[row['status'], row['heard_ms']] for row in turn.records if row['role'] == 'assistant']")
    assert rows == [["interrupted", played_ms] if heard else ["completed", None]]
    assert slow.cell("%%aigw openai\nCount from 1 to 3").of("text/markdown") == ["One, two, three."]


def test_an_interrupted_opening_opens_nothing(slow: Kernel) -> None:
    """The provider is a socket that takes the connection and never says a word."""
    slow.cell(
        "import os, socket\nhole = socket.create_server(('127.0.0.1', 0))\nurl = os.environ['AIGW_GATEWAY_URL']\n"
        "os.environ['AIGW_GATEWAY_URL'] = f'ws://127.0.0.1:{hole.getsockname()[1]}/v1/a/b'"
    )
    watcher = (
        "import threading, _thread, signal, os\n"
        "def watch():\n    hole.accept()\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=watch).start()"
    )
    slow.cell(watcher)
    cell = slow.cell("%%aigw openai\nhello")
    slow.cell("os.environ['AIGW_GATEWAY_URL'] = url")
    assert cell.outputs == [{"error": "KeyboardInterrupt"}]
    assert slow.cell("%aigw status").of("stdout") == ["No session is open; ask a question with %%aigw first.\n"]


PROVIDERS = {
    "google": ("What is 2 plus 3?", "2 + 3 is 5.", True),
    "cartesia": ("Hello there", "Hello there", True),
    "elevenlabs": ("What is 2 plus 3?", "2 + 3 is 5.", True),
    "elevenlabs:tts": ("Hello there", "Hello there", True),
    "workers-ai:@cf/deepgram/aura-1": ("Hello there", "Hello there", True),
    "fal:fal-ai/fast-lcm-diffusion": ("a red fox", "(1 picture)", False),
    "universal:workers-ai/@cf/meta/llama-3.1-8b-instruct": ("What is 2 plus 3?", "2 + 3 is 5.", None),
}
"""Provider → question, answer, and what stands beside the words: sound, a picture (False) or nothing (None)."""


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_answers_in_a_cell(provider: str, tmp_path: Path) -> None:
    from nbclient import NotebookClient

    question, text, sounds = PROVIDERS[provider]
    cells = ["%load_ext aigw_notebook", f"%%aigw {provider}\n{question}"]
    notebook = notebook_of(*cells)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.data for output in notebook.cells[1].outputs if output.output_type == "display_data"]
    assert shown[0]["text/markdown"] == text
    beside = [("<audio" in data.get("text/html", ""), "image/png" in data) for data in shown[1:]]
    assert beside == {True: [(True, False)], False: [(False, True)], None: []}[sounds]
