"""Every page of the report stands exactly where its data was given, escapes what it is given, and shares no ids."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from personagym_benchmarks.cli.report import ReportCommand
from personagym_env.evaluation.agreement.judges import FullAgreement, JudgeKind
from personagym_env.evaluation.agreement.study import AgreementBoard, AgreementStudy, RecommenderRow
from personagym_env.evaluation.core.negatives import SUFFIX
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.board import BoardRow, Difference, FidelityBoard, FidelityReport, Part
from personagym_env.evaluation.leaderboard.board import Leaderboard, Row
from personagym_env.evaluation.reporting.figures import DISTRIBUTION, FIDELITY, OFFLINE, RATING, SIMULATED, TASTE
from personagym_env.evaluation.reporting.report import render_report
from personagym_env.evaluation.robustness.verdicts import Robustness, RobustnessRow, SettingKind
from personagym_env.evaluation.validation.aspects import ASPECTS
from personagym_env.evaluation.validation.board import AspectBoard, Likeness, Source, Validation

HOSTILE = '</td><script>alert("{{ 7 * 7 }}")</script>'
SOME = Interval(0.5, 0.25, 0.75)
NAN = Interval(np.nan, np.nan, np.nan)
SNAPSHOT = {"cores": 2, "processor": HOSTILE, "python": "3.11", "system": "Linux", "commit": None, "versions": {}}


CURVES = {
    "quantity": "ratings in a session",
    "at": [1.0, 2.0, 4.0],
    "observed": [0.75, 0.5, 0.25],
    "fitted": [0.75, 0.5, 0.25],
    "baseline": [0.875, 0.5, 0.125],
    "fitted_distance": 0.0625,
    "baseline_distance": 0.375,
}


def _law(name: str, curves: dict[str, object] | None) -> dict[str, object]:
    gain = {"value": 0.03125, "low": -0.5, "high": 0.5, "rows": 9, "method": ""}
    return {"name": name, "law": HOSTILE, "baseline": "constant", "cases": 4321, "gain": gain, "curves": curves}


def _card() -> dict[str, object]:
    shared = {"origin": "assumed", "unit": "logits", "source": HOSTILE, "estimate": None}
    usual = {"sessions": 1.0, "usual_return": 8.75}
    points = [
        {**usual, "setting": 0.5, "return": 9.25, "tau": 0.75, "flips": "order"},
        {**usual, "setting": 2.0, "return": 8.5, "tau": 1.0, "flips": ""},
    ]
    estimate = {"value": 0.25, "low": 0.125, "high": 0.5, "rows": 1234, "method": HOSTILE}
    return {
        "title": "card",
        "sensitivity_of": "users of glass",
        "notes": [HOSTILE],
        "statistics": {"sessions": 321.0},
        "findings": {"noise of ratings": estimate},
        "goodness": [_law("leaving", CURVES), _law("drift", None)],
        "parameters": {
            "choice.outside": {**shared, "value": 1.0, "plausible": [-2, 2], "sensitivity": points},
            "leaving.intercept": {
                **shared,
                "value": 0.25,
                "plausible": [-4, 0],
                "origin": "fitted",
                "estimate": estimate,
            },
            HOSTILE: {**shared, "value": 3.0, "plausible": [3, 3], "sensitivity": None},
        },
    }


@pytest.fixture(scope="module")
def board() -> Leaderboard:
    rows = tuple(
        Row(name, False, 1.0, dict.fromkeys(OFFLINE, SOME), dict.fromkeys(SIMULATED, SOME), SOME, None) for name in "ab"
    )
    return Leaderboard(
        dataset="data",
        agent="users",
        rows=rows,
        bounds={},
        agreements=(),
        fidelity=(),
        setting={"seed": 0},
        environment=SNAPSHOT,
        card=_card(),
    )


@pytest.fixture(scope="module")
def study() -> AgreementStudy:
    def judge(name: str, kind: JudgeKind, model_class: str | None = None) -> FullAgreement:
        return FullAgreement(
            judge=name,
            kind=kind,
            figure="expected",
            population=None,
            rows=None,
            model_class=model_class,
            winner=HOSTILE,
            without={"x": 0.4},
            class_shift={"x": SOME, "y": SOME},
            **dict.fromkeys(("tau", "rho", "pairwise", "clear_pairs", "regret", "regret_share"), SOME),
        )

    judges = judge("mf", "users", "x"), judge(HOSTILE, "metric"), judge("oracle", "check")
    recommenders = tuple(
        RecommenderRow(name, model_class, SOME, {row.judge: SOME for row in judges})
        for name, model_class in ((HOSTILE, "x"), ("plain", "y"))
    )
    made = AgreementBoard(HOSTILE, "picks", 12, recommenders, {"best": SOME}, judges, (), SOME)
    setting = {"rows": {"same": 3}, "left out": ["a", "b"]}
    return AgreementStudy(dataset="data", boards=(made,), setting=setting, environment=SNAPSHOT)


@pytest.fixture(scope="module")
def validation() -> Validation:
    support = {"stars": (1.0, 2.0), "repeats": (0.0, 1.0)}
    sources = (
        Source("real, other half", "halves", "", 9, None),
        Source("real, just before", "preceding", "", 9, 3),
        Source(HOSTILE, "users", HOSTILE, 9, 3),
        Source("bias, uniform", "chance", "", 9, 3),
    )

    def aspect(name: str) -> AspectBoard:
        curve = (0.25, 0.75)
        rows = tuple(
            Likeness(one.name, SOME, SOME, dict.fromkeys(ASPECTS[name].distances, SOME), curve if place else ())
            for place, one in enumerate(sources)
        )
        return AspectBoard(name, support.get(name, (1.0, 2.0)), SOME, curve, (0.125, 0.625), (0.375, np.nan), rows)

    return Validation(
        dataset="data",
        users=4,
        rows=9,
        sources=sources,
        aspects=tuple(map(aspect, ("length", "stars", "trend"))),
        assumptions=(HOSTILE,),
        setting={},
        environment=SNAPSHOT,
    )


@pytest.fixture(scope="module")
def fidelity() -> FidelityReport:
    keys = {*FIDELITY, *RATING, *DISTRIBUTION, *(name + suffix for name in TASTE for suffix in SUFFIX.values())}
    rows = (
        BoardRow(HOSTILE, "users", 2, dict.fromkeys(keys, SOME), {}, (0.5, 0.5), None),
        BoardRow("floor", "floor", 1, {"rmse": SOME}, {}, None, None),
    )
    difference = Difference(HOSTILE, "floor", {"rmse": NAN})
    part = Part("persona", HOSTILE, 1, 1, {HOSTILE: {"rmse": SOME}})
    made = FidelityBoard("temporal", "split", "data", (1.0, 2.0), (0.5, 0.5), {"rows": 9}, rows, (difference,), (part,))
    return FidelityReport(boards=(made,), setting={}, environment=SNAPSHOT)


@pytest.fixture(scope="module")
def page(board: Leaderboard, study: AgreementStudy, validation: Validation, fidelity: FidelityReport) -> str:
    return render_report(board, study, validation, fidelity)


class _Page(HTMLParser):
    """Collects ids, links and text, and holds the page to its nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = {name: value or "" for name, value in attrs}
        assert not [name for name in values if name.startswith("on")]
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        if tag in ("table", "section", "figure", "svg", "tbody", "tr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("table", "section", "figure", "svg", "tbody", "tr"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _sections(text: str) -> list[str]:
    return re.findall(r'<section class="page" id="(\w+)"', text)


def test_all_pages_in_their_order(page: str) -> None:
    pages = ["leaderboard", "agreement", "fidelity", "card", "validation"]
    assert _sections(page) == pages
    parsed = _Page(page)
    assert [link for link in parsed.links if link.removeprefix("#") in pages] == [f"#{name}" for name in pages]
    assert not parsed.open


def test_names_from_outside_stay_text(page: str) -> None:
    parsed = _Page(page)
    assert "script" not in parsed.tags
    assert parsed.text.count(HOSTILE) >= 12
    assert "alert(&#34;49&#34;)" not in page


def test_ids_are_unique_and_references_lead_somewhere(page: str) -> None:
    parsed = _Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    targets = set(re.findall(r"url\(#([^)]+)\)", page)) | {link.removeprefix("#") for link in parsed.links}
    assert targets <= set(parsed.ids)
    assert all(link.startswith("#") for link in parsed.links)


def test_no_figure_is_called_nan(page: str) -> None:
    text = _Page(page).text
    assert not re.search(r"\bnan\b|NaN|\bNone\b", text)


def test_the_card_shows_ranges_findings_and_sensitivity(page: str) -> None:
    text = _Page(
        page[page.index('<section class="page" id="card"') : page.index('<section class="page" id="validation"')]
    ).text
    for part in (
        "noise of ratings",
        "1,234",
        "4,321",
        "0.062",
        "0.375",
        "9.25",
        "0.75",
        "sessions",
        "321",
        "95 % in 0.125 to 0.5",
    ):
        assert part in text, part
    assert page.count('class="range') == 2  # a parameter whose range is a point has no axis


def test_settings_read_as_sentences(page: str) -> None:
    text = _Page(page).text
    assert "same: 3" in text
    assert "a, b" in text


@pytest.mark.parametrize("given", ["study", "validation", "fidelity"])
def test_one_result_alone_is_a_page_without_navigation(given: str, request: pytest.FixtureRequest) -> None:
    text = render_report(None, **{given: request.getfixturevalue(given)})
    assert _sections(text) == [{"study": "agreement"}.get(given, given)]
    assert "<nav" not in text
    assert "display: none" not in text.partition("@media print")[0]


def _robustness_row(kind: SettingKind) -> RobustnessRow:
    default = kind == "default"
    return RobustnessRow(
        kind=kind,
        setting="as always" if default else "3 picks" if kind == "picks" else "choice.outside",
        value=1.0 if default else -7.5,
        against="as always",
        judge="mf, session return",
        winner="a" if default else "b",
        tau=SOME,
        regret_share=SOME,
        mean=9.375,
        tau_default=1.0 if default else 0.625,
        default_winner="a",
        sessions=1,
        lead=SOME,
    )


@pytest.fixture(scope="module")
def robustness() -> Robustness:
    rows = _robustness_row("default"), _robustness_row("assumed"), _robustness_row("picks")
    judge, values = rows[0].judge, {"choice.outside": 1.5, "leaving.intercept": 0.25}
    return Robustness(
        dataset="data",
        rows=rows,
        stable=0.8,
        chance={judge: 0.875},
        absent={judge: HOSTILE},
        values=values,
        setting={"luck": HOSTILE},
        environment=SNAPSHOT,
    )


def test_a_robustness_report_tells_a_card_of_the_same_data_what_moves(
    board: Leaderboard, robustness: Robustness
) -> None:
    silent = json.loads(json.dumps(board.card))
    for entry in silent["parameters"].values():
        entry["sensitivity"] = None
    board = replace(board, card=silent)
    told = _Page(render_report(board, robustness=robustness)).text
    judge = robustness.judges[0]
    changed = "other values held of: choice.outside (1.5)"
    for part in ("what moves when a parameter moves", "−7.5", "9.38", "0.62", judge, "winner, order", "0.88", changed):
        assert part in told, part
    other = replace(robustness, dataset="other data")
    assert "what moves when" not in _Page(render_report(board, robustness=other)).text


def test_the_page_on_agreement_says_which_verdicts_flip(study: AgreementStudy, robustness: Robustness) -> None:
    page = render_report(None, study, robustness=robustness)
    parsed = _Page(page)
    assert not parsed.open
    assert "script" not in parsed.tags
    assert not re.search(r"\bnan\b|NaN|\bNone\b", parsed.text)
    for part in (
        "Does a verdict stand",
        "mf, session return: 2 of 3 verdicts flip",
        "1 of 1",
        "choice.outside",
        "assumed parameter",
        "−7.5",
        f"mf, session return: {HOSTILE}.",
        f"luck: {HOSTILE}",
    ):
        assert part in parsed.text, part
    assert len(re.findall('class="words flip"', page)) == 2
    assert "hollow where the judge puts another" in parsed.text
    steady = replace(robustness, rows=robustness.rows[:1])
    assert "Every verdict that flips" not in _Page(render_report(None, study, robustness=steady)).text
    other = replace(robustness, dataset="other data")
    assert "Does a verdict stand" not in render_report(None, study, robustness=other)


def test_a_board_without_a_card_has_no_page_for_it(board: Leaderboard) -> None:
    assert _sections(render_report(replace(board, card={}))) == ["leaderboard"]


def test_nothing_is_no_report() -> None:
    with pytest.raises(ValueError, match="a report needs"):
        render_report(None)


def test_command_line_takes_what_a_folder_holds(
    tmp_path: Path, validation: Validation, board: Leaderboard, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"holds no results: expected any of leaderboard\.json"):
        ReportCommand(tmp_path / "report.html", tmp_path).main()
    validation.save(tmp_path / "validation.json")
    board.save(tmp_path / "leaderboard.json")
    ReportCommand(tmp_path / "report.html", tmp_path).main()
    told = " ".join(capsys.readouterr().out.split())
    assert "leaderboard, validation not there yet: `personagym agreement`, `personagym fidelity`" in told
    assert _sections((tmp_path / "report.html").read_text(encoding="utf-8")) == ["leaderboard", "card", "validation"]
