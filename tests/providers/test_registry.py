"""The registry: what is installed is looked up once, found again when asked, and an address names a model once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aigw_notebook import providers
from aigw_notebook.errors import ConfigurationError, UnknownProvider
from tests.conformance.installed import example_installed


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """One entry for each time that what is installed is looked up."""
    found: list[str] = []
    look_up = providers.entry_points

    def counting(**wanted: Any) -> Any:
        found.append(wanted["group"])
        return look_up(**wanted)

    monkeypatch.setattr(providers, "entry_points", counting)
    providers.refresh()
    yield found
    providers.refresh()


def test_what_is_installed_is_looked_up_once(scans: list[str]) -> None:
    for _ in range(5):
        assert "openai" in providers.names()
        assert providers.get("openai").name == "openai"
        assert providers.with_capability("seed_history")
    assert len(scans) == 1


def test_a_provider_installed_meanwhile_is_found_when_it_is_asked_for(
    scans: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "odd" not in providers.names()
    metadata = tmp_path / "odd_provider-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-provider\nVersion: 1\n", encoding="utf-8")
    points = f"[{providers.ENTRY_POINT_GROUP}]\nodd = json:dumps\n"
    (metadata / "entry_points.txt").write_text(points, encoding="utf-8")
    assert "odd" not in providers.names()
    with pytest.raises(ConfigurationError, match="json:dumps"):
        providers.get("odd")
    assert "odd" in providers.names(), "who asks for it by name has it looked up again"


def test_refresh_finds_what_was_installed_and_forgets_what_was_removed(scans: list[str], tmp_path: Path) -> None:
    assert "parrot" not in providers.names()
    with example_installed(tmp_path) as name:
        providers.refresh()
        assert name in providers.names()
    providers.refresh()
    assert "parrot" not in providers.names()
    with pytest.raises(UnknownProvider):
        providers.get("parrot")


@pytest.mark.parametrize(
    ("address", "model", "found"),
    [
        ("openai", None, ("openai", None)),
        ("openai", "a", ("openai", "a")),
        ("openai:a", None, ("openai", "a")),
        ("openai:a", "a", ("openai", "a")),
        ("workers-ai:@cf/x:y", None, ("workers-ai", "@cf/x:y")),
    ],
)
def test_an_address_names_a_provider_and_perhaps_a_model(address: str, model: str | None, found: tuple) -> None:
    assert providers.named_model(address, model) == found


def test_two_models_are_one_too_many() -> None:
    with pytest.raises(ConfigurationError, match=r"given twice, in 'openai:a' and as model='b': leave one out"):
        providers.named_model("openai:a", "b")
