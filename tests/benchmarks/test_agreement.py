"""The agreement benchmark runs from the command line on a small log, and what it writes fills tables."""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tyro

from personagym_benchmarks.agreement import judges
from personagym_benchmarks.cli.agreement import AgreementCommand
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.agreement.headline import headline_tables
from personagym_env.evaluation.agreement.study import AgreementStudy
from personagym_env.evaluation.agreement.tables import agreement_tables
from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS
from personagym_env.evaluation.reporting.figures import ASKED, SESSION
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.run_context import RunContext
from personagym_recommenders import REGISTRY, MostPopular, RecommenderSpec

ROOT = Path(__file__).parents[2]
HEAD = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def load_script(name: str) -> ModuleType:
    module = importlib.import_module(f"personagym_benchmarks.{name}.study")
    return module


def write_log(folder: Path, seed: int, users: int, items: int) -> None:
    """A log in RecBole's format in which late items are better, so that quality can be learned and tested."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for item in rng.choice(60, items, replace=False):
            rating = int(np.clip(round(1 + 4 * item / 60 + rng.normal(0, 0.7)), 1, 5))
            rows.append(f"u{user}\ti{item}\t{rating}\t{rng.integers(10**6)}")
    (folder / f"{folder.name}.inter").write_text(HEAD + "\n".join(rows) + "\n")


def arguments_of(script: ModuleType, *arguments: str) -> Any:
    return tyro.cli(AgreementCommand, args=["--no-shipped", "--no-slow", *arguments])


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("agreement")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "log"
    write_log(place, 0, 40, 50)
    return place


def keep_in_registry(monkeypatch: pytest.MonkeyPatch, specs: Mapping[str, RecommenderSpec]) -> None:
    for module in ("registry", "loading"):
        monkeypatch.setattr(f"personagym_recommenders.{module}.REGISTRY", specs)


def test_from_log_to_tables(
    script: ModuleType,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = ("random", "popular", "best-rated", "worst-rated", "user-knn", "mf-2", "SASRec", "genres")
    asked_for = replace(REGISTRY["mf-2"], name="slow-mf", slow=True)
    keep_in_registry(monkeypatch, {name: REGISTRY[name] for name in few} | {asked_for.name: asked_for})
    write_log(tmp_path / "shown", 1, 40, 30)
    output = tmp_path / "out" / "agreement.json"
    arguments = (
        *("--recommender", asked_for.name),
        *("--dataset", str(folder), "--judges", "bias", "--resamples", "50", "--picks", "3"),
        *("--least", "5", "--train-share", "0.7", "--random-test", str(tmp_path / "shown"), "--sessions", "12"),
    )
    arguments_of(script, *arguments, "--output", str(output)).main()
    assert "random exposure: agreement with real value" in capsys.readouterr().out
    study = AgreementStudy.load(output)
    assert study.benchmarks[study.dataset].hash is not None
    assert [board.ground_truth for board in study.boards] == ["closed pool", "random exposure", "choice", "joint"]
    assert [board.kind for board in study.boards] == ["rating", "shown", "choice", "joint"]
    own = {f"bias ({rows})" for rows in DATA_OVERLAPS}
    assert set(study.shown_weights) == own | {f"{name}, by a random sample" for name in own}
    for board in study.boards:
        assert {row.figure for row in board.judges if row.kind == "users"} == set(ASKED)
        read = {row.figure for row in board.judges if row.kind == "metric"}
        assert ("recall" in read) == (board.kind in ("rating", "shown"))
        assert board.noise_ceiling is not None
    plots = {
        f"agreement-{board.ground_truth.replace(' ', '-')}-{plot}.svg"
        for board in study.boards
        for plot in ("tau", "value", "leaders")
    }
    assert {path.name for path in output.parent.iterdir()} == {"agreement.json"} | plots
    assert set(study.setting["left out"]) == {"SASRec", "genres"}
    for board in study.boards[:2]:
        assert {row.name for row in board.recommenders} == {*few, asked_for.name} - {"SASRec", "genres"}
        assert board.judge("oracle").tau.value == 1
        for rows in DATA_OVERLAPS:
            bias = board.judge(f"bias ({rows})")
            assert bias.tau.value > 0.4  # items differ in quality, which is all that a bias model learns
            assert bias.self_preference is not None
        support = {row.name: row.support for row in board.recommenders}
        assert all(share is not None and share > 0.9 for share in support.values())  # a dense log of forty users
        sessions = [judge for judge in board.judges if judge.kind == "sessions"]
        assert {judge.title for judge in sessions} == {f"bias, session {figure} (disjoint)" for figure in SESSION}
        assert all(judge.tau.value > 0 for judge in sessions if judge.figure in ("return", "rating"))
    tables = [markdown(table) for board in study.boards for table in agreement_tables(board)]
    tables += [markdown(table) for table in headline_tables(study)]
    assert any("| bias (disjoint) – bias (same) |" in text for text in tables)
    for text in tables:
        assert len({line.count("|") for line in text.splitlines()}) == 1
        assert "nan" not in text


def test_nobody_is_shown_a_held_out_row(script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are watched where recommenders and judges are given them."""
    seen: dict[str, list[Any]] = {"recommenders": [], "judges": []}

    class Watching(MostPopular):
        def learn(self, log: Any, catalogue: Any) -> None:
            seen["recommenders"].append(log)
            super().learn(log, catalogue)

    def watching(name: str, dataset: Any, log: Any) -> Any:
        seen["judges"] += [log, dataset.interactions]
        return load(name, dataset, log)

    load = judges.personagym_agents.load
    keep_in_registry(monkeypatch, {name: RecommenderSpec(name, "popularity", Watching) for name in "ab"})
    monkeypatch.setattr(judges.personagym_agents, "load", watching)
    arguments = (
        *("--dataset", str(folder), "--judges", "bias", "--resamples", "5", "--half-split", "random"),
        *("--sessions", "0"),
    )
    study = script.run(arguments_of(script, *arguments).settings, RunContext())
    split = temporal_split(script.load_dataset(str(folder)).interactions, 0.8)
    assert len(seen["recommenders"]) == 2
    assert len(seen["judges"]) == 6
    for log in (*seen["recommenders"], *seen["judges"]):
        assert len(log)
        assert not log.contains(split.test.users, split.test.items).any()
    prints = {log.fingerprint() for log in seen["recommenders"]}
    assert prints == {study.setting["row fingerprints"]["same"]}
    assert {log.fingerprint() for log in seen["judges"]} == set(study.setting["row fingerprints"].values())


def test_people_who_rated_everything_play_sessions_that_are_a_truth(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("random", "popular", "best-rated", "worst-rated")
    keep_in_registry(monkeypatch, {name: REGISTRY[name] for name in few})
    write_log(tmp_path / "log", 0, 32, 60)
    (tmp_path / "log" / "personagym.json").write_text('{"fully_observed": 1.0}')
    arguments = ("--dataset", str(tmp_path / "log"), "--judges", "bias", "--resamples", "20", "--picks", "3")
    options = ("--sessions", "30", "--train-share", "0.5", "--data-overlap", "disjoint")
    study = script.run(arguments_of(script, *arguments, *options).settings, RunContext())
    assert {"choice truth", "joint truth"} <= set(study.setting["left out"])  # who rates all, chooses nothing
    played = [board for board in study.boards if board.kind == "sessions"]
    assert [board.own for board in played] == [("return",), ("clicks",), ("rating",), ("length",)]
    for board in played:
        assert {row.figure for row in board.judges if row.kind == "sessions"} == set(board.own)
        by_name = {row.name: row.real.value for row in board.recommenders}
        if board.own != ("length",):
            assert by_name["best-rated"] > by_name["worst-rated"]


def test_a_truth_of_few_users_is_refused(script: ModuleType, tmp_path: Path) -> None:
    write_log(tmp_path / "log", 0, 29, 50)
    with pytest.raises(ValueError, match=r"closed pool: only 29 users have enough .* needs at least 30: hold out more"):
        script.run(arguments_of(script, "--dataset", str(tmp_path / "log")).settings, RunContext())


def test_choices_of_few_are_left_out(script: ModuleType, folder: Path) -> None:
    split = temporal_split(script.load_dataset(str(folder)).interactions)
    few = split._replace(test=split.test.take(split.test.users < 20))
    left_out: dict[str, str] = {}
    assert script.find_list_truths(few, left_out) == ()
    assert left_out.keys() == {"choice truth", "joint truth"}
    assert left_out["choice truth"].startswith("choice: only 20 users have enough held-out rows (0 have too few)")


def test_the_data_set_says_which_real_values_it_knows(script: ModuleType, tmp_path: Path) -> None:
    write_log(tmp_path / "log", 0, 20, 50)
    write_log(tmp_path / "log" / "shown", 1, 20, 30)
    (tmp_path / "log" / "personagym.json").write_text('{"random_exposure": "shown", "fully_observed": 0.8}')
    args = arguments_of(script, "--dataset", str(tmp_path / "log")).settings
    dataset = script.load_dataset(args.dataset)
    ground_truths = script.find_truths(args, dataset, temporal_split(dataset.interactions))
    assert [truth.name for truth in ground_truths] == ["closed pool", "fully observed", "random exposure"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bundles", "persona"), "a bundle is given as name=path with the path of a folder, got 'persona'"),
        (("--bundles", "mf=tests"), "two judges would be called 'mf'"),
        (("--bundles", "shipped persona=tests"), "two judges would be called 'shipped persona'"),
        (("--data-overlap", "same", "same", "--session-rows", "same"), "each once"),
        (("--data-overlap", "same"), "session rows must be some of the data overlaps"),
    ],
)
def test_bad_requests(script: ModuleType, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        script.run(arguments_of(script, *arguments).settings, RunContext())


def test_bundles_that_know_different_rows_share_a_name(
    script: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [tmp_path / "bundles" / name for name in ("disjoint", "superset")]
    for half in halves:
        half.mkdir(parents=True)
    named = [f"persona={half}" for half in halves]
    args = arguments_of(script, "--dataset", str(folder), "--judges", "--no-shipped", "--bundles", *named).settings
    assert judges.bundle_places(args) == {"persona": halves}
    dataset = script.load_dataset(args.dataset)
    split = temporal_split(dataset.interactions)
    dealt = script.deal_rows(split.train, args.half_split, np.random.default_rng(0))
    bench = script.Bench(dataset, split, dealt, ())
    prints = {rows: dealt.of_judge(rows).fingerprint() for rows in DATA_OVERLAPS}
    monkeypatch.setattr(judges, "load_bundle_agent", lambda place, dataset, log: place.name)
    monkeypatch.setattr(judges, "bundle_fits", lambda place, log: prints[place.name] == log.fingerprint())
    made = list(judges.make_judges(args, bench, RunContext(), {}))
    assert sorted(made) == [("persona", "disjoint", "disjoint"), ("persona", "superset", "superset")]
    monkeypatch.setattr(judges, "bundle_fits", lambda place, log: prints["same"] == log.fingerprint())
    with pytest.raises(ValueError, match="two bundles are called 'persona' and know the same rows"):
        list(judges.make_judges(args, bench, RunContext(), {}))


@pytest.mark.parametrize("liking", [0.5, 0.0], ids=["half of the users", "nobody"])
def test_users_without_liked_rows_are_counted_and_no_table_says_nan(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, liking: float
) -> None:
    """Ratings fall with time, so that nobody likes what is held out, or every other user does."""
    keep_in_registry(monkeypatch, {name: REGISTRY[name] for name in ("random", "popular", "best-rated", "worst-rated")})
    (tmp_path / "log").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for user in range(40):
        likes = user % 2 < 2 * liking
        for time, item in enumerate(rng.choice(60, 50, replace=False)):
            rating = 1 + item % 2 + (3 if time < 40 else 0)
            if likes and time % 3 == 0:
                rating = 5
            rows.append(f"u{user}\ti{item}\t{rating}\t{time}")
    (tmp_path / "log" / "log.inter").write_text(HEAD + "\n".join(rows) + "\n")
    arguments = ("--dataset", str(tmp_path / "log"), "--judges", "bias", "--resamples", "20", "--sessions", "0")
    options = ("--data-overlap", "disjoint", "--picks", "3", "--least", "6")
    study = script.run(arguments_of(script, *arguments, *options).settings, RunContext())
    pool = study.boards[0]
    assert pool.without_liked == (20 if liking else 40)
    metrics = {row.title: row for row in pool.judges if row.kind == "metric"}
    assert metrics["NDCG@10, liked"].undefined == (0 if liking else 4)  # nobody to measure on: said, and no number
    assert metrics["NDCG@10"].undefined == 0
    assert not any(np.isnan(row.tau.value) for row in metrics.values())
    for text in (markdown(table) for board in study.boards for table in agreement_tables(board)):
        assert "nan" not in text.lower()
    note = next(iter(agreement_tables(pool))).note
    assert f"leave out {pool.without_liked} users who have no liked held-out row" in note
