"""The agreement study on every log: from a folder of data to tables and plot, resumed, and nobody missing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tyro

from personagym_benchmarks.agreement.all_logs import asking, line_up, study
from personagym_benchmarks.agreement.all_logs.settings import AllLogsSettings
from personagym_benchmarks.cli.agreement import AgreementCommand
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset
from personagym_env.evaluation.agreement.all_logs.board import AllLogs
from personagym_env.evaluation.agreement.all_logs.tables import all_logs_tables
from personagym_env.evaluation.core.data_overlap import DATA_OVERLAPS
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.fit_cache import kept
from personagym_env.run_context import RunContext
from personagym_recommenders import REGISTRY, MostPopular, RecommenderSpec

FEW = ("random", "popular", "best-rated", "worst-rated", "user-knn", "mf-2")


def write_log(folder: Path, seed: int) -> None:
    """Forty users with fifty of sixty items, late ones the better ones."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(40):
        for item in rng.choice(60, 50, replace=False):
            rating = int(np.clip(round(1 + 4 * item / 60 + rng.normal(0, 0.7)), 1, 5))
            rows.append(f"u{user}\ti{item}\t{rating}\t{rng.integers(10**6)}")
    (folder / f"{folder.name}.inter").write_text("\n".join(rows) + "\n")


@pytest.fixture(autouse=True)
def few_recommenders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Six of the line-up, and a cache folder of one's own."""
    for module in ("registry", "loading"):
        monkeypatch.setattr(f"personagym_recommenders.{module}.REGISTRY", {name: REGISTRY[name] for name in FEW})
    monkeypatch.setattr(line_up, "offline_trained", dict[str, RecommenderSpec])
    monkeypatch.setattr(line_up, "DRAWN", ())
    monkeypatch.setattr(line_up, "CLASSES", frozenset({"popularity", "factors"}))
    monkeypatch.setattr(kept, "LEAST_SECONDS", 0.0)
    monkeypatch.setenv("PERSONAGYM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for seed, name in enumerate(("one", "two")):
        write_log(tmp_path / "data" / name, seed)
    return tmp_path / "data"


def settings(data: Path, **options: object) -> AllLogsSettings:
    arguments = {"judges": ("bias",), "few_rows": (), "evaluated": 35, "resamples": 20} | options
    return AllLogsSettings(logs=(), data=data, **arguments)  # type: ignore[arg-type]


def test_from_a_folder_to_tables(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "all.json"
    arguments = ["--all-data", "--all.logs", "--all.data", str(data), "--all.judges", "bias", "--all.few-rows"]
    options = ["--all.evaluated", "35", "--all.resamples", "20", "--output", str(output)]
    tyro.cli(AgreementCommand, args=arguments + options).main()
    assert "All logs together" in capsys.readouterr().out
    found = AllLogs.load(output)
    assert [board.dataset for board in found.boards] == ["one", "two"]
    for board in found.boards:
        assert board.evaluated == 35
        assert {row.name for row in board.line_up} == set(FEW)
        assert [truth.kind for truth in board.truths] == ["rating", "choice", "joint"]
        rating = board.truths[0]
        taus = {row.title: row.tau.value for row in rating.judges}
        assert min(taus[f"bias ({rows})"] for rows in ("same", "disjoint", "superset")) > 0.3
        assert rating.ceiling.value > 0.3
        for row in rating.judges:
            assert sum(one.tests for one in row.pairs) == 15
        assert {"replay (disjoint)", "bias, corrected (disjoint)"} < taus.keys()
        assert {one.right for one in rating.differences} == {"best offline metric", "replay"}
        assert {one.left for one in rating.differences if one.right == "replay"} == {
            "bias (disjoint)",
            "bias, corrected (disjoint)",
        }
        assert not any("corrected" in row.title or row.judge == "replay" for row in board.truths[1].judges)
    texts = [markdown(table) for table in all_logs_tables(found)]
    assert all("nan" not in text for text in texts)
    assert any("| bias (disjoint) | rating | 2 |" in text for text in texts)
    assert output.with_name("all-when.svg").read_text().startswith("<?xml")


def test_what_was_done_is_not_done_again(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = study.run(settings(data), RunContext())

    def never(*arguments: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(asking, "react_to_pairs", never)
    monkeypatch.setattr(RecommenderSpec, "make", never)
    assert study.run(settings(data), RunContext()).boards == first.boards
    first.save(data / "first.json")
    joined = study.run(AllLogsSettings(logs=(), finished=(data / "first.json",)), RunContext())
    assert joined.boards == first.boards
    assert joined.setting["finished"][0]["data fingerprints"] == first.setting["data fingerprints"]
    joined.save(data / "joined.json")
    with pytest.raises(ValueError, match="distinct names, got one, two, one, two"):
        study.run(settings(data, finished=(data / "first.json",)), RunContext())


def test_nobody_sees_held_out_rows(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watching(load: Callable[..., object]) -> Callable[..., object]:
        def loaded(name: str, dataset: Dataset, log: object) -> object:
            seen.extend([log, dataset.interactions])
            return load(name, dataset, log)

        return loaded

    monkeypatch.setattr(asking.personagym_agents, "load", watching(asking.personagym_agents.load))
    study.run(settings(data), RunContext())
    for log, name in zip(seen, [name for name in ("one", "two") for _ in range(6)], strict=True):
        test = temporal_split(study.load_dataset(data / name).interactions).test
        assert len(log)
        assert not log.contains(test.users, test.items).any()


def test_whoever_is_missing_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_up, "CLASSES", frozenset({"network"}))
    with pytest.raises(ValueError, match="one: nobody is left of the recommenders called network"):
        study.run(settings(data), RunContext())
    monkeypatch.setattr(line_up, "CLASSES", frozenset())

    def no_room(*arguments: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(MostPopular, "fit", no_room)
    with pytest.raises(ValueError, match="one: recommender 'popular' cannot take part: no room"):
        study.run(settings(data), RunContext())


def test_truths_of_few_users_are_refused_in_a_line(data: Path) -> None:
    with pytest.raises(ValueError, match="one: nothing is known of real value: closed pool: only 20 users have enough"):
        study.run(settings(data, evaluated=20), RunContext())


def test_bad_requests(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="few_rows must be some of the judges"):
        settings(tmp_path, few_rows=("mf",))
    assert AllLogsSettings(judges=("bias",)).rows_of("bias") == DATA_OVERLAPS
    with pytest.raises(ValueError, match="evaluated=0"):
        settings(tmp_path, evaluated=0)
    with pytest.raises(ValueError, match="a folder with a folder for each log"):
        study.run(settings(tmp_path / "nowhere"), RunContext())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--all-data", "--ray", "local"], "leave `--ray` out"),
        (["--all-data", "--no-slow"], "options of the study of one log"),
        (["--all.evaluated", "9"], "add `--all-data`"),
    ],
)
def test_options_of_the_other_study_are_refused(words: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tyro.cli(AgreementCommand, args=words).main()
