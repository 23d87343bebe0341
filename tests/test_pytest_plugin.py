"""The fixtures that others' tests get, as they are used: in a test run of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source import ROOT

pytest_plugins = ["pytester"]

pytestmark = pytest.mark.processes

TALK = """
    import aigw_notebook as aigw

    def test_talk(aigw_cassette):
        with aigw.connect("openai", quiet=True, api_key="none", gateway=aigw_cassette.gateway) as session:
            aigw_cassette.keep(session)
            turn = session.ask("Count to three.")
        assert turn.text
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("AIGW_NOTEBOOK_LOG", "memory")

    def run(*options: str) -> pytest.RunResult:
        plugin = ("-p", "aigw_notebook.pytest_plugin")
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *_unless_installed(plugin), *options)

    return run


def _unless_installed(plugin: tuple[str, ...]) -> tuple[str, ...]:
    """The option that loads the plugin, where its entry point does not."""
    from importlib.metadata import entry_points

    return () if any(e.value == "aigw_notebook.pytest_plugin" for e in entry_points(group="pytest11")) else plugin


def test_the_gateway_is_what_connect_finds(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    pytester.makepyfile("""
        import aigw_notebook as aigw

        def test_ask(aigw_gateway):
            with aigw.connect("openai", gateway=aigw_gateway, quiet=True) as session:
                assert session.ask("Count to three.").status == "completed"
            assert aigw_gateway.counters["connections"] == 1

        def test_environment(aigw_gateway):
            assert aigw.Gateway.from_env(__import__("os").environ).host in aigw_gateway.url
    """)
    run().assert_outcomes(passed=2)


def test_a_session_is_recorded_once_and_played_from_then_on(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    path = pytester.makepyfile(test_it=TALK)
    run().assert_outcomes(passed=1)
    cassette = path.parent / "cassettes" / "test_it" / "test_talk.aigw"
    written = cassette.read_bytes()
    path.write_text(path.read_text() + "\n    assert not aigw_cassette.is_recording\n")
    run("--aigw-record=replay").assert_outcomes(passed=1)
    assert cassette.read_bytes() == written
    run("--aigw-record=record").assert_outcomes(failed=1, passed=0)


def test_a_changed_question_fails_with_the_difference(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    path = pytester.makepyfile(test_it=TALK)
    run().assert_outcomes(passed=1)
    path.write_text(path.read_text().replace("three", "four"))
    result = run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*Count to three.*", "*Count to four.*", "*--aigw-record=record*"])


def test_a_cassette_that_is_not_there_is_not_recorded_on_replay(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    path = pytester.makepyfile(test_it=TALK)
    result = run("--aigw-record=replay")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no cassette test_talk.aigw*"])
    assert not (path.parent / "cassettes").exists()


def test_the_mark_and_the_ini_value_choose_too(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    pytester.makeini("[pytest]\naigw_record = replay\n")
    mark = '@pytest.mark.aigw_cassette(mode="once", path="mine.aigw", match="strict")\n    def'
    source = TALK.replace("import aigw_notebook", "import pytest\n    import aigw_notebook").replace("def", mark, 1)
    path = pytester.makepyfile(test_it=source)
    run().assert_outcomes(passed=1)
    assert (path.parent / "mine.aigw").exists()
    run().assert_outcomes(passed=1)


def test_a_test_that_hands_nothing_over_is_told(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    pytester.makepyfile("def test_it(aigw_cassette): pass")
    result = run()
    result.stdout.fnmatch_lines(["*aigw_cassette.keep(session)*"])
    result.assert_outcomes(passed=1, errors=1)


def test_the_example_of_the_manual_runs(pytester: pytest.Pytester, run) -> None:  # type: ignore[no-untyped-def]
    manual = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", manual, re.DOTALL)
    assert len(examples) >= 2
    pytester.makepyfile(**{f"test_manual_{number}": text for number, text in enumerate(examples)})
    run().assert_outcomes(passed=sum(text.count("def test_") for text in examples))
    run("--aigw-record=replay").assert_outcomes(passed=sum(text.count("def test_") for text in examples))


def test_the_plugin_is_light() -> None:
    code = "import sys, pytest; known = set(sys.modules); import aigw_notebook.pytest_plugin as plugin"
    code += "; print(*set(sys.modules) - known)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(ROOT))
    assert set(done.stdout.split()) <= {"aigw_notebook", "aigw_notebook.pytest_plugin"}
