"""Every documented name of users through the command line."""

import io
import sys
from pathlib import Path

import pytest

from fixtures.user_names import ANY_LOG
from personagym_agents import FROZEN, USER_AGENTS
from personagym_benchmarks import cli


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["personagym", *words])
    cli.main()


@pytest.mark.parametrize("name", ANY_LOG)
def test_names_of_users_make_sessions(
    name: str,
    small_folder: Path,
    shipped_small_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("popular\n\n"))
    run(monkeypatch, "play", "--dataset", str(small_folder), "--agent", name, "--user", "3", "--steps", "2")
    assert "User u3" in capsys.readouterr().out


@pytest.mark.parametrize("name", ANY_LOG)
def test_names_of_users_have_a_card(
    name: str,
    small_folder: Path,
    shipped_small_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(monkeypatch, "card", "--dataset", str(small_folder), "--agent", name)
    plain = name.removeprefix(FROZEN)
    title = "persona" if plain == "default" else plain
    assert plain in USER_AGENTS
    assert f"users {'frozen ' if name.startswith(FROZEN) else ''}{title}" in capsys.readouterr().out
