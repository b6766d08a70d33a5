"""The console takes any text on any stream, and lets no control character through."""

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from personagym_benchmarks import cli
from personagym_benchmarks.console import make_console
from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset

ENCODINGS = ("cp1252", "ascii", "latin-1", "cp437", "utf-8", "utf-16")
TITLE = "Amélie ★\n forged \x1b[2J\u202e 千"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], str]]:
    """Puts a stream of an encoding in the place of standard output; what is returned reads what arrived there."""

    def replace(encoding: str) -> Callable[[], str]:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        return lambda: raw.getvalue().decode(encoding)

    return replace


def show_everywhere(console: Console, text: str) -> None:
    """Print a text in all the ways that commands print."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    table = Table("name", title=None)
    table.add_row(text)
    console.print(table)
    with Progress(console=console) as progress:
        progress.add_task(text.replace("[", "("), total=1)
        progress.console.print(text, markup=False)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), max_size=30) | st.just(TITLE))
def test_any_text_reaches_any_stream(narrow: Callable[[str], Callable[[], str]], encoding: str, text: str) -> None:
    arrived = narrow(encoding)
    show_everywhere(make_console(), text)
    assert arrived()
    assert not set(arrived()) & set("\x00\x07\x08\t\x0b\x0c\x1b\x7f\x85\x9b\u202e\u2066")


def test_what_an_encoding_lacks_is_replaced_and_the_rest_stays(narrow: Callable[[str], Callable[[], str]]) -> None:
    arrived = narrow("cp1252")
    make_console().print("Amélie ★", markup=False)
    assert arrived() == "Amélie ?\n"


@pytest.fixture(scope="module")
def folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_atomic_files(dataset, tmp_path_factory.mktemp("data") / "films").parent


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("play", "--dataset", "{folder}", "--agent", "bias", "--steps", "2"),
        ("card", "--dataset", "{folder}", "--agent", "bias"),
        *((command, "--help") for command in ("train", "user", "leaderboard", "agreement", "fidelity", "report")),
    ],
)
def test_commands_write_to_narrow_streams(
    narrow: Callable[[str], Callable[[], str]],
    folder: Path,
    arguments: tuple[str, ...],
    encoding: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["personagym", *(word.format(folder=folder) for word in arguments)])
    arrived = narrow(encoding)
    with suppress(SystemExit):
        cli.main()
    assert {"play": "User", "card": "parameter"}.get(arguments[0], "usage: personagym") in arrived()


@pytest.mark.filterwarnings("default::personagym_env.data.readers.table.DataWarning")
def test_what_readers_tell_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        f"{user},{item},{1 + (user + item) % 5},{1_122_700_000_123 + 1000 * item}"
        for user in (1, 2)
        for item in range(9)
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]))
    monkeypatch.setattr(
        sys, "argv", ["personagym", "play", "--dataset", str(tmp_path), "--agent", "bias", "--slate-size", "2"]
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n"))
    cli.main()
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert told.err.startswith("personagym: note: ")
    assert "times are read as milliseconds" in told.err
    assert "User" in told.out
