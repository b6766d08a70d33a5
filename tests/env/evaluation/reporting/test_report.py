"""The report stands alone, escapes what it is given, and shows everything there is."""

import math
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fixtures.hostile import TITLES
from personagym_env.benchmark import Benchmark
from personagym_env.evaluation.agreement.judges import Agreement
from personagym_env.evaluation.agreement.study import AgreementStudy
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.board import FidelityRow, Leaderboard, Row
from personagym_env.evaluation.reporting.figures import FIDELITY, OFFLINE, SIMULATED
from personagym_env.evaluation.reporting.report import render_report, write_report

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "$\\frac{1}{2$ & {{ 7 * 7 }}",
    "映画推薦\n\x07" + "x" * 200,
]


def _row(name: str, value: float) -> Row:
    estimate = Interval(value, value - 0.1, value + 0.1)
    return Row(
        name=name,
        reference=name == HOSTILE[0],
        fit_seconds=1.0,
        offline=dict.fromkeys(OFFLINE, estimate) | {"coverage": Interval(value, math.nan, math.nan)},
        simulated=dict.fromkeys(SIMULATED, estimate),
        real=estimate,
        lead=None if name == HOSTILE[-1] else estimate,
    )


@pytest.fixture(scope="module")
def board() -> Leaderboard:
    tau = Interval(0.5, -0.1, 0.9)
    return Leaderboard(
        dataset="<b>data</b>",
        agent="users & co",
        rows=tuple(_row(name, 4.0 - place / 2) for place, name in enumerate(HOSTILE)),
        bounds={"chance": Interval(3.0, 2.9, 3.1)},
        agreements=(
            Agreement(
                judge="return",
                kind="sessions",
                figure="return",
                population="users & co",
                tau=tau,
                regret=tau,
            ),
            Agreement(judge="NDCG@10", kind="metric", figure="ndcg", population=None, tau=tau, regret=tau),
            Agreement(judge="random judge", kind="check", figure="", population=None, tau=tau, regret=tau),
        ),
        fidelity=(FidelityRow("users & co", dict.fromkeys(FIDELITY, tau)), FidelityRow("popularity", {"auc": tau})),
        setting={"seed": "</dd><script>"},
        environment={
            "cores": 2,
            "processor": "<i>fast</i>",
            "python": "3.11",
            "system": "Linux",
            "commit": None,
            "versions": {"numpy": "2.4"},
        },
        card={
            "title": "card <of> it",
            "notes": ["leaving: <no> timestamps"],
            "parameters": {
                "examination.decay": {
                    "value": 1.0,
                    "origin": "fitted",
                    "unit": "exponent",
                    "source": "Craswell",
                    "estimate": {"low": 0.5, "high": 1.5},
                },
                "choice.outside": {
                    "value": 0.0,
                    "origin": "assumed",
                    "unit": "logits",
                    "source": "<b>nobody</b>",
                    "estimate": None,
                },
            },
        },
    )


@pytest.fixture(scope="module")
def page(board: Leaderboard) -> str:
    return render_report(board)


class _Tags(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def parsed(page: str) -> _Tags:
    parser = _Tags()
    parser.feed(page)
    return parser


def test_nothing_is_fetched_from_anywhere(page: str, parsed: _Tags) -> None:
    assert not parsed.tags & {"script", "link", "img", "iframe", "object", "embed", "image", "base", "b data"}
    for name, value in parsed.attributes:
        assert not name.startswith("on")
        if name in ("href", "xlink:href", "src", "action", "data"):
            assert value.startswith("#")
        assert "//" not in value
    for target in re.findall(r"url\(([^)]*)\)", page):
        assert target.startswith("#")
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_names_are_text_and_nothing_else(parsed: _Tags) -> None:
    for name in HOSTILE:
        assert name.split("\n")[0].strip() in parsed.text
    assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b", parsed.text)
    assert "<b>data</b>" in parsed.text
    assert "card <of> it" in parsed.text
    assert "</dd><script>" in parsed.text


def test_any_text_in_any_place_is_text_and_commands_nothing(board: Leaderboard) -> None:
    short = [text for text in TITLES if len(text) < 1000]
    rows = tuple(replace(board.rows[1], name=text) for text in short)
    settings = {f"setting {place}": text for place, text in enumerate(short)}
    notes = {**board.card, "notes": short, "title": "".join(short)}
    everywhere = replace(
        board,
        dataset="".join(short),
        agent=short[3],
        rows=rows,
        agreements=(),
        fidelity=(),
        setting=settings,
        card=notes,
    )
    page = render_report(everywhere)
    parser = _Tags()
    parser.feed(page)
    assert not parser.tags & {"script", "img"}
    assert not any(name.startswith("on") for name, _ in parser.attributes)
    strange = {c for c in page if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} - {"\n"}
    assert not strange | (set(page) & set("\u202e\u2066\u2067\u2068\u200b\ufeff"))
    assert "<script>alert(1)</script>" in parser.text


def test_everything_is_shown(page: str, parsed: _Tags) -> None:
    assert page.count("<svg") == 5
    assert page.count('class="tag fitted"') == 1
    assert page.count('class="tag assumed"') == 1
    for figures in (SIMULATED, OFFLINE, FIDELITY):
        assert all(figure.title in parsed.text for figure in figures.values())
    assert "NaN" not in parsed.text
    assert not re.search(r"\bnan\b", parsed.text)
    assert "width=device-width" in page


def benchmark(board: Leaderboard, weights: str) -> dict[str, Benchmark]:
    """What the board could have been measured in."""
    parts: dict[str, Any] = {"environment": "E, behaviour 1", "data": "d", "rows": "r", "parameters": "p"}
    return {board.dataset: Benchmark.of_parts(**parts, users={"users@r": weights})}


def test_pages_tell_what_they_were_measured_in(board: Leaderboard) -> None:
    assert "benchmark of the leaderboard</dt><dd>unknown, so nobody can tell" in render_report(board)
    known = replace(board, benchmarks=benchmark(board, "w"))
    (found,) = known.benchmarks.values()
    assert f"<dd>benchmark {found.hash}: E, behaviour 1, data d" in render_report(known)


def test_results_of_different_benchmarks_are_not_shown_together(board: Leaderboard) -> None:
    study = AgreementStudy(
        dataset=board.dataset, boards=(), setting={}, environment={}, benchmarks=benchmark(board, "other")
    )
    measured = replace(board, benchmarks=benchmark(board, "w"))
    with pytest.raises(ValueError, match=r"the leaderboard and the agreement study.*users users@r with weights w and"):
        render_report(measured, study)


def test_the_same_board_gives_the_same_page(board: Leaderboard, page: str) -> None:
    assert render_report(board) == page


def test_one_recommender_and_nothing_else_make_a_report_too(board: Leaderboard, tmp_path: Path) -> None:
    bare = replace(board, rows=board.rows[-1:], agreements=(), fidelity=(), bounds={}, card={}, environment={})
    write_report(bare, tmp_path / "bare.html")
    assert "</html>" in (tmp_path / "bare.html").read_text(encoding="utf-8")
