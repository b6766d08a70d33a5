"""Logs at the edge: zero-shot users and the transfer study work, or one line says what is missing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from personagym_agents.bundle.zero_shot import zero_shot_users
from personagym_benchmarks.transfer.board import Transfer
from personagym_benchmarks.transfer.settings import TransferSettings
from personagym_benchmarks.transfer.study import run
from personagym_benchmarks.transfer.tables import transfer_tables
from personagym_env.data.export import write_atomic_files
from personagym_env.data.named_splits import named_split
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.run_context import RunContext

QUICK = TransferSettings(
    agents=("bias", "knn", "zero-shot"),
    recommenders=("popular",),
    rows=40,
    negatives=3,
    resamples=10,
    refitted=("bias",),
    controls=False,
    known=(0, 2),
    sizes=(0.3,),
)


def log_of(
    pairs: list[tuple[int, int]],
    ratings: Callable[[int, int], float] = lambda user, item: 1.0 + (3 * user + item) % 5,
    *,
    scale: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 5.0),
    title: str = "Film",
    genres: int = 2,
    timed: bool = True,
) -> Dataset:
    """A data set of the pairs of user and item."""
    users, items = (np.array(column) for column in zip(*pairs, strict=True))
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    given = np.array([ratings(user, item) for user, item in pairs])
    times = 1_500_000_000 + 60 * np.arange(len(pairs)) if timed else None
    return Dataset(
        "edge",
        Catalogue(
            tuple(f"i{item}" for item in range(n_items)),
            tuple(f"{title} {item}" for item in range(n_items)),
            np.zeros(n_items, np.int64),
            tuple(f"genre {genre}" for genre in range(genres)),
            np.arange(n_items * genres).reshape(n_items, genres) % 3 == 0,
        ),
        Users(tuple(f"u{user}" for user in range(n_users))),
        Interactions.from_columns(users, items, given, times, n_users=n_users, n_items=n_items, scale=scale),
    )


def each(n_users: int, n_items: int, per_user: int) -> list[tuple[int, int]]:
    """Everybody rates equally many items, not the same ones."""
    return [(user, (user + 7 * place) % n_items) for user in range(n_users) for place in range(per_user)]


HALVES = tuple(np.arange(0.5, 10.5, 0.5).tolist())
LOGS: dict[str, Dataset] = {
    "one user": log_of(each(1, 40, 20)),
    "two rows": log_of([(0, 0), (0, 1)]),
    "one rating value": log_of(each(12, 30, 8), lambda *_: 1.0, scale=(1.0,)),
    "all ratings equal": log_of(each(12, 30, 8), lambda *_: 3.0),
    "no overlap between users": log_of([(user, 6 * user + place) for user in range(11) for place in range(6)]),
    "titles of 100,000 characters": log_of(each(6, 12, 6), title="word " * 20_000),
    "titles without letters": log_of(each(8, 16, 6), title="…", genres=0),
    "everything rated": log_of(each(12, 8, 8)),
    "everything rated by one": log_of([(0, item) for item in range(20)] + each(9, 20, 4)[4:]),
    "five rows each": log_of(each(30, 25, 5)),
    "a wide scale, no times": log_of(
        each(15, 30, 9), lambda user, item: HALVES[(3 * user + 5 * item) % 20], scale=HALVES, timed=False
    ),
    "items that nobody rated": log_of([*each(8, 15, 6), (7, 300)]),
}
NOTHING_HELD_OUT = {
    "one item": log_of([(user, 0) for user in range(10)]),
    "one row": log_of([(0, 0)]),
    "one row each": log_of([(user, user % 4) for user in range(10)]),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_at_the_edge_is_measured(
    name: str, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_benchmarks.transfer.study.load_dataset", lambda _: LOGS[name])
    study = run(replace(QUICK, zero_shot_base=str(small_bundle)), RunContext(tmp_path))
    study.save(tmp_path / "transfer.json")
    (board,) = Transfer.load(tmp_path / "transfer.json").boards
    assert not [(what, why) for what, why in board.left_out.items() if what.startswith("answers")]
    for why in board.left_out.values():
        assert "\n" not in why
    for row in board.answers.rows:
        for measure in set(row.figures) - {"auc"}:  # of which there is none where nobody has an unseen item
            assert np.isfinite(row.figures[measure].value), (row.name, measure)
    assert "nan" not in "".join(map(markdown, transfer_tables(study)))


def test_recommenders_of_a_large_catalogue_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personagym_benchmarks.transfer.study.load_dataset", lambda _: LOGS["one user"])
    monkeypatch.setattr("personagym_benchmarks.transfer.line_up.MOST_ITEMS", 39)
    study = run(replace(QUICK, agents=("bias",), refitted=(), parts=("line-up",)), RunContext(tmp_path))
    assert study.boards[0].left_out == {"line-up": "recommenders of 40 items take hours; up to 39 take part"}


@pytest.mark.parametrize("name", NOTHING_HELD_OUT)
def test_a_log_of_which_nothing_is_held_out_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_benchmarks.transfer.study.load_dataset", lambda _: NOTHING_HELD_OUT[name])
    with pytest.raises(ValueError, match=r"nothing is held out of \d+ training rows, so nobody can be asked"):
        run(replace(QUICK, agents=("bias",)), RunContext(tmp_path))


@pytest.mark.parametrize("name", [*LOGS, *NOTHING_HELD_OUT])
def test_a_log_at_the_edge_makes_an_environment(
    name: str, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personagym_agents.bundle.manifest.BUNDLED", small_bundle)
    data = (LOGS | NOTHING_HELD_OUT)[name]
    folder = write_atomic_files(data, tmp_path / "edge").parent
    if len(np.unique(data.interactions.ratings)) == 1:
        with pytest.raises(ValueError, match=r"expected at least two distinct ratings, .*; give `scale`"):
            gym.make("personagym_env:PersonaRec-v0", dataset=str(folder), agent="zero-shot")
        (folder / "personagym.json").write_text(json.dumps({"scale": [1, 2, 3, 4, 5]}))
    size = min(3, len(data.catalogue))
    env = gym.make("personagym_env:PersonaRec-v0", dataset=str(folder), agent="zero-shot", slate_size=size)
    env.reset(seed=0)
    for step in range(3):
        _, reward, terminated, truncated, _ = env.step(np.arange(size) + step * (len(data.catalogue) > 20))
        assert np.isfinite(reward)
        if terminated or truncated:
            env.reset()
    env.close()


@pytest.mark.parametrize("name", ["everything rated by one", "all ratings equal", "titles of 100,000 characters"])
def test_answers_are_distributions(name: str, small_bundle: Path) -> None:
    data = LOGS[name]
    users = zero_shot_users(data, named_split(data).split.train, place=small_bundle)
    sessions = users.open(users.n_users)
    everybody = np.arange(users.n_users)
    sessions.start(everybody, everybody)
    said = sessions.react(everybody, np.tile([0, users.n_items - 1], (users.n_users, 1)))
    np.testing.assert_allclose(said.rating.sum(axis=-1), 1, atol=1e-5)
    assert ((said.choice_probability > 0) & (said.choice_probability < 1)).all()
    longest = max(len(users.document(int(user))) for user in everybody)
    assert longest < 20_000
