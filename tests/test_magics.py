"""`%aigw` and `%%aigw` in a real IPython shell without a kernel, asking the emulator of a real gateway."""

from __future__ import annotations

import _thread
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from aigw_notebook.errors import ConfigurationError, GatewayError
from aigw_notebook.events import TextDelta
from aigw_notebook.gateway import LocalGateway
from aigw_notebook.gateway.emulators.base import Pace
from aigw_notebook.turn import Turn

pytestmark = pytest.mark.sessions

FAST = Pace(first_token_ms=1.0, text_delta_ms=0.0, audio_speed=0.0)
SLOW = Pace(first_token_ms=1.0, text_delta_ms=100.0, audio_speed=1.0)


@pytest.fixture
def fast() -> Iterator[LocalGateway]:
    with LocalGateway(pace=FAST, token="magic-token") as gateway:
        yield gateway


@pytest.fixture
def slow() -> Iterator[LocalGateway]:
    with LocalGateway(pace=SLOW, token="magic-token") as gateway:
        yield gateway


@pytest.fixture
def environment(fast: LocalGateway, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(fast, monkeypatch)


def connect_to(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("CF_AIG_TOKEN", gateway.token)


@pytest.fixture
def shell(environment: None, shell: InteractiveShell) -> InteractiveShell:
    """The shell, with the fast gateway in its environment."""
    return shell


@pytest.fixture
def run(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[Any, str, str]]:
    """Runs a cell as a person would; gives its value, what it printed and its complaints."""

    def run_cell(source: str) -> tuple[Any, str, str]:
        capsys.readouterr()
        result = shell.run_cell(source, store_history=True)
        out, err = capsys.readouterr()
        assert result.success, out + err
        return result.result, out, err

    return run_cell


Run = Callable[[str], tuple[Any, str, str]]

# --------------------------------------------------------------------------------------------------------- a question


def test_a_cell_asks_and_its_value_is_the_turn(run: Run, shell: InteractiveShell) -> None:
    turn, out, err = run("%%aigw openai\nWhat is the capital of Portugal?")
    assert isinstance(turn, Turn)
    assert turn.status == "completed"
    assert turn is shell.user_ns["_"]
    assert "Lisbon" in turn.text
    lines = out.splitlines()
    assert turn.where in lines[0]
    assert lines[1] == turn.text
    assert lines[2].endswith("s of audio: _.audio.save('answer.wav')]")
    assert lines[3:] == [f"Out[1]: {turn!r}"]
    assert err == ""


def test_the_next_cell_continues_the_conversation(run: Run) -> None:
    run("%%aigw openai --no-audio\nMy name is Ana.")
    turn, out, _ = run("%%aigw openai\nWhat is my name?")
    assert turn.text == "Your name is Ana."
    assert turn.number == 2
    assert turn.where not in out


def test_a_turn_shown_by_its_cell_is_shown_again_when_asked_for(run: Run) -> None:
    turn, _, _ = run("%%aigw openai --no-audio --into answer\nSay 'good morning'")
    assert run("answer")[1] == f"Out[2]: {turn.text}\n"
    assert run("x = answer")[1] == ""


def test_a_variable_is_put_into_the_prompt(run: Run) -> None:
    run("last = 4")
    turn, _, err = run("%%aigw openai --no-audio\nCount from 1 to {{last - 1}}, not {{nobody}}")
    assert turn.text == "One, two, three."
    assert turn.user_text == "Count from 1 to 3, not {{nobody}}"
    assert err == "aigw: {{nobody}} is left as it is: NameError: name 'nobody' is not defined\n"
    turn, _, err = run("%%aigw openai --raw\nCount from 1 to {{last}}")
    assert turn.user_text == "Count from 1 to {{last}}"
    assert err == ""


def test_a_prompt_may_hold_what_ipython_would_expand(run: Run) -> None:
    run("name = 'expanded'")
    assert run("%%aigw openai --no-audio\nkeep {name} and $name")[0].user_text == "keep {name} and $name"


def test_a_tool_is_a_function_of_the_notebook(run: Run) -> None:
    run("def weather(city: str) -> str:\n    'The weather in a city.'\n    return f'sunny in {city}'")
    turn, _, _ = run("%%aigw openai --no-audio --tools weather\nWhat is the weather in Lisbon?")
    assert [(use.name, use.output) for use in turn.tool_calls] == [("weather", "sunny in Lisbon")]
    assert "sunny" in turn.text


def test_the_model_may_follow_the_provider(run: Run, shell: InteractiveShell) -> None:
    run("%%aigw openai:gpt-realtime-mini --no-audio\nhello")
    run("%%aigw openai -m gpt-realtime --no-audio --session other\nhello")
    assert [slot.session.model for _, slot in magics(shell).slots] == ["gpt-realtime-mini", "gpt-realtime"]


@pytest.mark.parametrize(
    ("form", "starts"),
    [("json", "\\{"), ("text", "Four, five."), ("records", "session_id"), ("audio", r"\d+\.\d s of audio")],
)
def test_a_finished_turn_is_shown_in_the_form_asked_for(run: Run, form: str, starts: str) -> None:
    out = run(f"%%aigw openai -f {form}\nCount from 4 to 5")[1]
    assert "\nFour, five.\n" in out
    assert re.match(starts, out.split("Four, five.\n", 1)[1])


def test_a_recording_and_a_picture_can_be_asked_about(run: Run, tmp_path: Path) -> None:
    turn, _, _ = run("%%aigw openai\nCount from 1 to 3")
    turn.audio.save(tmp_path / "question.wav")
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    heard, _, err = run("%%aigw openai --new --audio question.wav")
    assert (heard.status, err) == ("completed", "")
    seen, _, err = run("%%aigw openai --image dot.png\nWhat is this?")
    assert (seen.status, err) == ("completed", "")


# ------------------------------------------------------------------------------------------------------------ sessions


def test_a_changed_option_opens_a_new_session_and_says_so(run: Run, shell: InteractiveShell) -> None:
    run("%%aigw openai --no-audio\nMy name is Ana.")
    first = magics(shell).slots.use().session
    turn, out, _ = run("%%aigw openai --voice cedar\nWhat is my name?")
    assert out.startswith(f"{turn.where}\nA new conversation begins: changed voice.\n")
    assert first.closed
    settings = magics(shell).slots.use().session.settings
    assert (settings.voice, settings.modalities) == ("cedar", ("text",))
    assert run("%%aigw openai\nhello")[0].number == 2
    assert "\nA new conversation begins: you asked for it.\n" in run("%%aigw openai --new\nhello")[1]


def test_a_session_that_has_ended_is_replaced(run: Run, shell: InteractiveShell) -> None:
    run("%%aigw openai --no-audio\nhello")
    magics(shell).slots.use().session.close()
    turn, out, _ = run("%%aigw openai\nhello")
    assert "\nA new conversation begins: the session before has ended.\n" in out
    assert turn.status == "completed"


def test_what_speaks_another_protocol_has_a_session_of_its_own(run: Run, shell: InteractiveShell) -> None:
    run("%%aigw elevenlabs\nMy name is Ana.")
    spoken, out, _ = run("%%aigw elevenlabs:tts\nWhat is my name?")
    assert (spoken.text, "A new conversation" in out) == ("What is my name?", False)
    assert "Ana" in run("%%aigw elevenlabs\nWhat is my name?")[0].text
    assert magics(shell).slots.names() == ("elevenlabs", "elevenlabs:tts")


def test_a_session_that_cannot_be_opened_replaces_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("%%aigw openai --no-audio\nMy name is Ana.")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("AIGW_GATEWAY_URL", "ws://127.0.0.1:9/v1/a/b")
        assert "A new conversation" not in run("%%aigw openai --new\nhello")[1]
    assert "Ana" in run("%%aigw openai\nWhat is my name?")[0].text


def test_what_finished_sessions_said_stays_within_reach(run: Run, shell: InteractiveShell) -> None:
    run("%%aigw openai --no-audio\nCount from 1 to 2")
    run("%%aigw openai --no-audio --new\nCount from 3 to 4")
    run("%%aigw cartesia\nGood morning")
    said = list(run("%aigw records all")[0].dropna(subset="text")["text"])
    assert said == [
        "Count from 1 to 2",
        "One, two.",
        "Count from 3 to 4",
        "Three, four.",
        "Good morning",
        "Good morning",
    ]
    run("%aigw close")
    assert list(run("%aigw records all")[0].dropna(subset="text")["text"]) == said
    assert list(run("%aigw records")[0]["provider"].unique()) == ["cartesia"]
    assert "Three, four." in run("%aigw transcript openai")[1]
    assert magics(shell).slots.forgotten == 0


def test_closing_forgets_the_conversation(run: Run, shell: InteractiveShell) -> None:
    run("%%aigw openai --no-audio\nhello")
    run("%%aigw openai --no-audio --session two\nhello")
    session = magics(shell).slots.use().session
    assert run("%aigw close two")[1] == "Closed: two.\n"
    assert session.closed
    assert run("%aigw sessions")[0].rows[0]["session"] == "openai"
    assert run("%aigw reset")[1] == "Closed: openai.\n"
    assert run("%aigw close")[1] == "No session was open.\n"


# ------------------------------------------------------------------------------------------------------ a user's errors


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("%%aigw openai\n   \n", "the cell has no question; write it below the %%aigw line"),
        ("%%aigw nobody\nhello", "unknown provider 'nobody'; choose one of: "),
        ("%%aigw opnai\nhello", "unknown provider 'opnai'; did you mean 'openai'?"),
        ("%%aigw openai --bogus\nhello", "unrecognized arguments: --bogus; %%aigw? lists the options"),
        ("%%aigw openai -f html\nhello", "argument -f/--format: invalid choice: 'html'"),
        ("%%aigw openai --instructions 'open\nhello", "the line of the magic cannot be read: No closing quotation"),
        ("%%aigw openai --tools nothing\nhello", "there is no function 'nothing' in this notebook"),
        ("%%aigw openai --voice nobody\nhello", "nobody"),
        ("%%aigw openai --image nothing.png\nhello", "there is no image file 'nothing.png'"),
        ("%%aigw openai --audio nothing.wav", "cannot read nothing.wav: No such file or directory"),
        ("%%aigw openai:gpt-realtime -m gpt-realtime-2\nhello", "the model was given twice, in 'openai:gpt-realtime'"),
        ("%aigw records", "no session is open; ask a question with %%aigw first"),
        ("%aigw records all", "no session is open; ask a question with %%aigw first"),
        ("%aigw config colour=red", "there is no setting 'colour'; there are: default_provider, errors, "),
        ("%aigw config errors=never", "'errors=never' is no value of that setting: "),
        ("%aigw config timeout_s=soon", "'timeout_s=soon' is no value of that setting: "),
        ("%aigw recrods", "unknown command 'recrods'; did you mean 'records'?"),
        ("%aigw openai hello", "to ask a question write %%aigw openai with two percent signs"),
        ("%aigw 'open", "the line of the magic cannot be read: No closing quotation"),
    ],
)
def test_a_mistake_is_one_line_and_no_value(run: Run, cell: str, complaint: str) -> None:
    value, _, err = run(cell)
    assert value is None
    assert err.startswith("aigw: ")
    assert complaint in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("option", ["--audio question.wav", "--image dot.png"])
def test_a_question_the_provider_cannot_take_leaves_nothing_but_the_complaint(
    run: Run, tmp_path: Path, option: str
) -> None:
    run("%%aigw openai\nCount from 1 to 3")[0].audio.save(tmp_path / "question.wav")
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    value, out, err = run(f"%%aigw cartesia {option}\nhello")
    assert (value, out.count("\n")) == (None, 1)
    assert err.startswith("aigw: Cartesia has no ")


def test_errors_are_raised_where_the_settings_ask_for_it(shell: InteractiveShell, run: Run) -> None:
    assert "raise" in next(
        row["value"] for row in run("%aigw config errors=raise")[0].rows if "errors" in row["setting"]
    )
    assert isinstance(shell.run_cell("%%aigw openai --audio nothing.wav").error_in_exec, ConfigurationError)
    assert isinstance(shell.run_cell("%aigw recrods").error_in_exec, ConfigurationError)
    failed = shell.run_cell("%%aigw cartesia:sonic-unknown --into turn\nhello").error_in_exec
    assert isinstance(failed, GatewayError)
    assert failed.turn is shell.user_ns["turn"]
    assert failed.turn.status == "failed"
    run("%aigw config errors=print timeout_s=30 show_audio=False")
    assert (magics(shell).errors, magics(shell).timeout_s, magics(shell).show_audio) == ("print", 30.0, False)


def test_a_gateway_that_is_not_there_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGW_GATEWAY_URL", "ws://127.0.0.1:9/v1/a/b")
    value, _, err = run("%%aigw openai\nhello")
    assert value is None
    assert "127.0.0.1:9" in err
    assert err.count("\n") == 1
    assert "magic-token" not in err


def test_a_fault_of_this_package_shows_its_stack(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    magics(shell).slots.use = lambda name=None: 1 / 0
    result = shell.run_cell("%aigw records")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert "in _records(magics, name)" in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


# ------------------------------------------------------------------------------------------------------------ Interrupt


@pytest.mark.parametrize("by_hand", [False, True], ids=["cell", "run_cell_magic"])
def test_interrupt_keeps_the_session_and_what_was_said(
    run: Run,
    shell: InteractiveShell,
    slow: LocalGateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    by_hand: bool,
) -> None:
    connect_to(slow, monkeypatch)
    run("%%aigw openai --no-audio\nMy name is Ana.")
    session = magics(shell).slots.use().session
    pieces: list[Any] = []

    def interrupt_at_the_third_piece(event: Any) -> None:
        if isinstance(event, TextDelta):
            pieces.append(event)
            if len(pieces) == 3:
                _thread.interrupt_main()

    session.core.add_sink(interrupt_at_the_third_piece)
    cell = "%%aigw openai\nCount from 1 to 40"
    source = "get_ipython().run_cell_magic('aigw', 'openai', 'Count from 1 to 40')" if by_hand else cell
    result = shell.run_cell(f"if True:\n    x = {source}" if by_hand else source)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    partial = session.turns[-1]
    assert partial.status == "cancelled"
    assert partial.text.startswith("One, ")
    assert "forty" not in partial.text
    assert "(cancelled)" in capsys.readouterr().out
    assert session.records[-1]["status"] == "cancelled"
    assert run("%%aigw openai\nWhat is my name?")[0].text == "Your name is Ana."
    assert magics(shell).slots.use().session is session


# ------------------------------------------------------------------------------------------------------------- commands


def test_help_and_config_tell_all_there_is(run: Run) -> None:
    from aigw_notebook.commands import COMMANDS

    shown = run("%aigw help")[1]
    assert all(f"%aigw {name}" in shown for name in COMMANDS)
    assert run("%aigw")[1] == shown
    settings = {row["setting"] for row in run("%aigw config")[0].rows}
    assert "AigwMagics.default_provider" in settings


def test_records_are_a_frame_and_the_transcript_reads_well(run: Run) -> None:
    run("%%aigw openai --no-audio\nCount from 1 to 3")
    frame = run("%aigw records")[0]
    assert list(frame["role"]) == ["user", "assistant"]
    assert list(frame["text"]) == ["Count from 1 to 3", "One, two, three."]
    assert "user: Count from 1 to 3\n\nassistant: One, two, three." in run("%aigw transcript openai")[1]


def test_records_are_a_table_where_pandas_is_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("%%aigw openai --no-audio\nCount from 1 to 3")
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = run("%aigw records")[0]
    assert "One, two, three." in repr(table)
    assert "<td>One, two, three.</td>" in table._repr_html_()


def test_status_says_where_each_session_is_connected(run: Run) -> None:
    assert "No session is open" in run("%aigw status")[1]
    turn, _, _ = run("%%aigw openai --no-audio\nhello")
    (row,) = run("%aigw status")[0].rows
    assert (row["connected to"], row["state"], row["turns"]) == (turn.where, "open", 1)


def test_providers_and_version(run: Run) -> None:
    import aigw_notebook
    from aigw_notebook import providers

    written = [name for provider in providers.names() for name in providers.forms(provider)]
    assert {"openai", "elevenlabs:tts", "workers-ai:@cf/deepgram/flux"} <= set(written)
    assert [row["write"] for row in run("%aigw providers")[0].rows] == written
    assert [row["write"] for row in run("%aigw list")[0].rows] == written
    assert f"aigw-notebook {aigw_notebook.__version__}" in run("%aigw version")[1]


def test_settings_are_changed_with_config(run: Run, shell: InteractiveShell) -> None:
    run("%config AigwMagics.default_provider = 'openai'")
    run("%config AigwMagics.show_audio = False")
    assert run("%%aigw\nCount from 1 to 3")[1].splitlines()[1] == "One, two, three."
    assert "s of audio" not in run("%%aigw\nCount from 1 to 3")[1]
    assert "default_provider" in run("%config AigwMagics")[1]


# -------------------------------------------------------------------------------------------------- loading, unloading


def magics(shell: InteractiveShell) -> Any:
    return shell.magics_manager.registry["AigwMagics"]


def test_only_a_cell_that_is_the_magic_is_awaited(shell: InteractiveShell) -> None:
    awaited = shell.transform_cell("%%aigw openai -m 'x'\nsay 'it''s'\n")
    assert awaited.startswith("await get_ipython().")
    assert awaited.endswith(".ask_cell(\"openai -m 'x'\", \"say 'it''s'\\n\")\n")
    for source in ("%%time\n%%aigw openai\nhello", "%aigw status", "x = 1", "", "%%aigwx y\nz"):
        assert "await" not in shell.transform_cell(source)
    shell.autoawait = False
    assert "await" not in shell.transform_cell("%%aigw openai\nhello")


def test_without_autoawait_the_cell_waits_itself(run: Run) -> None:
    run("%autoawait False")
    assert run("%%aigw openai --no-audio\nCount from 1 to 3")[0].text == "One, two, three."
    run("%autoawait True")


def test_unloading_takes_everything_away(shell: InteractiveShell, run: Run) -> None:
    run("%%aigw openai --no-audio\nhello")
    session = magics(shell).slots.use().session
    hooks = len(shell.input_transformers_post), len(shell.Completer.custom_matchers)
    shell.run_line_magic("unload_ext", "aigw_notebook")
    assert session.closed
    assert (len(shell.input_transformers_post), len(shell.Completer.custom_matchers)) == (hooks[0] - 1, hooks[1] - 1)
    assert shell.find_cell_magic("aigw") is None and shell.find_line_magic("aigw") is None
    assert not any(type(known).__name__ == "AigwMagics" for known in shell.configurables)
    shell.run_line_magic("load_ext", "aigw_notebook")
    assert run("%%aigw openai --no-audio\nCount from 1 to 2")[0].text == "One, two."


def test_loading_twice_is_loading_once(shell: InteractiveShell) -> None:
    before = len(shell.input_transformers_post)
    shell.run_line_magic("reload_ext", "aigw_notebook")
    import aigw_notebook

    aigw_notebook.load_ipython_extension(shell)
    assert len(shell.input_transformers_post) == before


def test_the_question_mark_shows_every_option(shell: InteractiveShell) -> None:
    from aigw_notebook.magics import OPTIONS

    text = shell.object_inspect_text("%%aigw") if shell.object_inspect("%%aigw")["found"] else ""
    document = text or magics(shell).aigw.__doc__
    assert all(name in document for names, _ in OPTIONS for name in names)


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell as S; s = S.instance();"
        "before = set(sys.modules); s.run_line_magic('load_ext', 'aigw_notebook');"
        "print(*sorted({n.split('.')[0] for n in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "aigw_notebook" in done.stdout.split()
    assert not {"websockets", "numpy", "ipywidgets", "anywidget", "pandas"} & set(done.stdout.split())


# ---------------------------------------------------------------------------------------------------------- completion


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("%%aigw ", {"openai"}, {"--voice", "records"}),
        ("%%aigw op", {"openai"}, set()),
        ("%%aigw openai:gpt-realtime-m", {"openai:gpt-realtime-mini"}, {"openai:gpt-realtime"}),
        ("%%aigw elevenlabs:", {"elevenlabs:tts"}, set()),
        ("%aigw records a", {"all"}, {"records"}),
        ("%%aigw openai ", {"--voice", "--tools"}, {"openai"}),
        ("%%aigw openai --v", {"--voice"}, {"--tools"}),
        ("%%aigw openai --voice ", {"cedar"}, {"--tools"}),
        ("%%aigw --format ", {"json", "audio"}, set()),
        ("%%aigw openai --tools wea", {"weather"}, set()),
        ("%aigw ", {"help", "records", "close"}, {"openai"}),
        ("%aigw rec", {"records"}, {"help"}),
    ],
)
def test_tab_offers_what_fits(shell: InteractiveShell, line: str, offered: set[str], not_offered: set[str]) -> None:
    shell.user_ns["weather"] = lambda city: "sunny"
    with provisionalcompleter():
        found = {done.text for done in shell.Completer.completions(line, len(line))}
    assert offered <= found
    assert not not_offered & found


def test_other_lines_are_left_to_ipython(shell: InteractiveShell) -> None:
    with provisionalcompleter():
        found = {done.text for done in shell.Completer.completions("%%aigwx rec", 11)}
    assert "records" not in found


def test_no_thread_is_left_when_the_sessions_are_closed(run: Run) -> None:
    run("%%aigw openai --no-audio\nhello")
    run("%aigw close")
    assert not [thread for thread in threading.enumerate() if "aigw-tool" in thread.name]
