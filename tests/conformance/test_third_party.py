"""A provider in a package of its own is found by its metadata, and by everything that lists providers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import aigw_notebook as aigw
from aigw_notebook import providers
from aigw_notebook.errors import ConfigurationError, UnknownProvider, Unsupported
from tests.conformance.forms import ENGINES, FORMS, HASTY
from tests.conformance.installed import EXAMPLE

pytestmark = pytest.mark.conformance


def test_it_runs_through_every_test_of_this_folder(installed: str) -> None:
    assert installed in {form.address for form in FORMS}
    assert installed in providers.names() and installed not in providers.BUILT_IN
    assert Path(providers.get(installed).codec.__module__.replace(".", "/")).parts[0] == "parrot_provider"


def test_it_is_known_only_while_it_is_installed(installed: str) -> None:
    code = "from aigw_notebook import providers; print(providers.names())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert installed not in found.stdout and "openai" in found.stdout


def test_it_has_a_route_of_the_embedded_gateway(installed: str) -> None:
    with aigw.LocalGateway(pace=HASTY, engines=ENGINES) as gateway:
        assert gateway.emulates(installed)
        [route] = [each for each in gateway.describe()["routes"] if each["route"] == installed]
        assert route["behind"] == "emulator" and route["provider"] == installed
        with aigw.connect(f"{installed}:macaw", gateway=gateway, quiet=True) as session:
            assert session.ask("Polly wants a cracker").text == "Polly wants a cracker"
            assert session.records[0]["model"] == "macaw"


def test_it_is_named_where_others_lack_what_it_has(installed: str) -> None:
    assert installed in providers.with_capability("cancel")
    with pytest.raises(Unsupported, match=r"use .*\bparrot\b"):
        aigw.connect("elevenlabs:tts", modalities="text")


def test_an_entry_point_that_gives_no_provider_is_its_authors_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "odd_provider-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-provider\nVersion: 1\n", encoding="utf-8")
    points = f"[{providers.ENTRY_POINT_GROUP}]\nodd = json:dumps\n"
    (metadata / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "odd" in providers.names()
    with pytest.raises(ConfigurationError, match="json:dumps"):
        providers.get("odd")


def test_a_name_close_to_it_is_guessed(installed: str) -> None:
    with pytest.raises(UnknownProvider, match="did you mean 'parrot'"):
        providers.get("parot")


def test_its_two_sides_do_not_know_each_other() -> None:
    sources = {name: (EXAMPLE / "parrot_provider" / f"{name}.py").read_text("utf-8") for name in ("codec", "emulator")}
    assert "import" in sources["codec"] and "import" in sources["emulator"]
    assert not any(re.search(r"^(from|import) \.?parrot_provider|^from \. ", text, re.M) for text in sources.values())
