"""A leaderboard whose right order is provable, kept and read back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personagym_env.data.splits import Split, random_split
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users
from personagym_env.evaluation.agreement.judges import Agreement
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.offline import measure_offline
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.evaluation.leaderboard.board import HELD_OUT, Leaderboard, Measurement, compare
from personagym_env.evaluation.leaderboard.tables import leaderboard_tables, own_judges
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.protocols import NO_ITEM, Observation, Reaction, UserSessions
from personagym_env.session.parameters import SessionParameters
from personagym_env.world import World

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
U, M, H = 80, 100, 10


def _liking() -> np.ndarray:
    """(u, m) in (0, 1): half the item's quality, half personal, so that popular items are good but not best."""
    rng = np.random.default_rng(0)
    return np.asarray(0.05 + 0.9 * (0.5 * rng.random(M) + 0.5 * rng.random((U, M))))


LIKING = _liking()


class _TableUsers:
    """Wants and rates as a table of likings says, or contrary to it, or by dice."""

    scale = SCALE
    n_users, n_items = U, M

    def __init__(self, name: str, liking: np.ndarray) -> None:
        self.name, self.liking = name, liking

    def open(self, n: int) -> UserSessions:
        return _TableSessions(self, n)


class _TableSessions:
    def __init__(self, agent: _TableUsers, n: int) -> None:
        self.agent, self.users = agent, np.full(n, -1)

    def start(self, rows: np.ndarray, users: np.ndarray) -> None:
        self.users[rows] = users

    def react(self, rows: np.ndarray, slates: np.ndarray) -> Reaction:
        liking = self.agent.liking[self.users[rows][:, None], slates]
        return Reaction(liking, np.eye(5)[np.round(4 * liking).astype(int)])

    def consume(self, rows: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> None:
        pass


class _ByScore:
    """Shows what scores highest of the items that the user has not had."""

    def __init__(self, name: str, scores: np.ndarray) -> None:
        self.name, self.scores = name, scores

    def fit(self, log: Interactions, catalogue: Catalogue) -> "_ByScore":
        self.seen = log.matrix(np.ones(len(log))).toarray() > 0
        return self

    def recommend(self, observation: Observation, k: int, candidates: np.ndarray | None = None) -> np.ndarray:
        allowed = ~self.seen[observation["user"]] if candidates is None else candidates.copy()
        row, place = np.nonzero(observation["history_items"] != NO_ITEM)
        allowed[row, observation["history_items"][row, place]] = False
        scores = np.where(allowed, self.scores[observation["user"]], -np.inf)
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@pytest.fixture(scope="module")
def split() -> Split:
    """Everybody has rated about half of the items, as the likings say."""
    rng = np.random.default_rng(1)
    users, items = np.nonzero(rng.random((U, M)) < 0.5)
    ratings = 1 + np.round(4 * LIKING[users, items])
    log = Interactions.from_columns(users, items, ratings, None, n_users=U, n_items=M, scale=SCALE)
    return random_split(log, 0.5, rng=rng)


def _world(split: Split, agent: _TableUsers) -> World:
    names = tuple(f"item {i}" for i in range(M))
    catalogue = Catalogue(names, names, np.zeros(M, int), ("a",), np.ones((M, 1), bool))
    log = Interactions.from_columns(
        *(np.concatenate([getattr(part, column) for part in split]) for column in ("users", "items", "ratings")),
        None,
        n_users=U,
        n_items=M,
        scale=SCALE,
    )
    dataset = Dataset("likings", catalogue, Users(tuple(str(u) for u in range(U))), log)
    return World(dataset, split.train, agent, SessionParameters())


def _compare(
    split: Split, agents: list[_TableUsers], recommenders: dict[str, np.ndarray], **change: bool
) -> Leaderboard:
    rng = np.random.default_rng(2)
    pool, test = ClosedPool(split.test), FidelityTest.draw(split, rng, negatives=10)
    worlds = {agent.name: _world(split, agent) for agent in agents}
    fidelity = {agent.name: test.ask(agent) for agent in agents}
    plan = SessionPlan.draw(U, episodes_per_user=2, seed=3)
    measured = []
    for name, scores in recommenders.items():
        world = next(iter(worlds.values()))
        one = _ByScore(name, scores).fit(split.train, world.dataset.catalogue)
        picks = pool.picks(one, world.profiles, history_length=H)
        measured.append(
            Measurement(
                name=name,
                model_class="scores",
                fit_seconds=0.5,
                offline=measure_offline(one, split, world.profiles, history_length=H),
                simulated={
                    judge: simulate(one, place, plan, max_episode_steps=H, history_length=H).statistics(U)
                    for judge, place in worlds.items()
                },
                real=pool.value(picks),
                judged={judge: pool.value(picks, fidelity[judge].expected_ratings) for judge in worlds},
                reference=change.get("reference", False) and name == "oracle",
            )
        )
    return compare(
        measured,
        {"best": pool.best, "chance": pool.chance, "worst": pool.worst},
        [*test.floors(), *fidelity.values()],
        user_resamples(U, 300, rng),
        rng,
        dataset="likings",
        setting={"seed": 3},
        environment=environment_snapshot(),
        card=json.loads(world.card().to_json()),
    )


def _recommenders() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    quality = np.broadcast_to(LIKING.mean(axis=0), (U, M))
    return {"random": rng.random((U, M)), "anti-oracle": -LIKING, "oracle": LIKING, "popular": quality}


ORDER = ["oracle", "popular", "random", "anti-oracle"]


@pytest.fixture(scope="module")
def board(split: Split) -> Leaderboard:
    truth = _TableUsers("truth", LIKING)
    contrary = _TableUsers("contrary", 1 - LIKING)
    return _compare(split, [truth, contrary], _recommenders())


def _judge(board: Leaderboard, name: str) -> Agreement:
    return next(row for row in board.agreements if row.judge == name)


def test_the_provable_order(board: Leaderboard) -> None:
    assert [row.name for row in board.rows] == ORDER
    real = [row.real.value for row in board.rows]
    assert real == sorted(real, reverse=True)
    assert real[0] == pytest.approx(board.bounds["best"].value)
    assert real[3] == pytest.approx(board.bounds["worst"].value)
    assert board.rows[2].real.low <= board.bounds["chance"].value <= board.rows[2].real.high
    assert all(row.lead is not None and row.lead.low > 0 for row in board.rows[:3])
    assert board.rows[3].lead is None


def test_the_true_judge_agrees_and_the_contrary_one_disagrees(board: Leaderboard) -> None:
    assert _judge(board, "simulated return, truth").tau == (1, 1, 1)
    assert _judge(board, "expected rating, truth").tau == (1, 1, 1)
    assert _judge(board, "simulated return, truth").regret == (0, 0, 0)
    contrary = _judge(board, "simulated return, contrary")
    assert contrary.tau.value == -1
    assert contrary.regret.value == pytest.approx(board.bounds["best"].value - board.bounds["worst"].value)
    assert abs(_judge(board, "random judge").tau.value) < 0.15
    assert board.agent == "truth"


def test_judges_without_information_agree_by_chance(split: Split) -> None:
    """Dice for likings put recommenders in an order that on average has nothing to do with the real one."""
    taus = []
    for seed in range(8):
        dice = _TableUsers("dice", np.random.default_rng(seed).uniform(0.05, 0.95, (U, M)))
        taus.append(_judge(_compare(split, [dice], _recommenders()), "simulated return, dice").tau.value)
    assert abs(np.mean(taus)) < 0.5
    assert min(taus) < 0.5


def test_references_are_shown_and_do_not_vote(split: Split, board: Leaderboard) -> None:
    shown = _compare(split, [_TableUsers("truth", LIKING)], _recommenders(), reference=True)
    assert [row.name for row in shown.rows if row.reference] == ["oracle"]
    assert len(shown.rows) == len(board.rows)
    best = max(row.real.value for row in shown.rows if not row.reference)
    worst = shown.rows[-1].real.value
    assert _judge(shown, "random judge").regret.high == pytest.approx(best - worst, abs=0.2)


def test_fidelity_of_the_truth_beats_its_floors(board: Leaderboard) -> None:
    figures = {row.name: row.figures for row in board.fidelity}
    assert figures["truth"]["rmse"].value == pytest.approx(0, abs=1e-6)
    assert figures["global mean"]["rmse"].value > 0.5
    assert "rmse" not in figures["popularity"]


def test_json_round_trip(board: Leaderboard, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "board.json"
    board.save(path)
    back = Leaderboard.load(path)
    assert back.rows[0].simulated == board.rows[0].simulated
    assert np.isnan(back.rows[0].offline["coverage"].low)
    assert [str(row) for row in back.agreements] == [str(row) for row in board.agreements]
    back.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["board.json"]


def test_a_failed_write_leaves_the_old_file(board: Leaderboard, tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    board.save(path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        replace(board, setting={"not": object()}).save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_the_snapshot_names_versions_and_no_place() -> None:
    snapshot = environment_snapshot()
    assert snapshot["versions"]["numpy"] == np.__version__  # type: ignore[index]
    text = json.dumps(snapshot)
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text


def test_two_recommenders_of_one_name_are_refused(split: Split) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        compare([], {}, [], np.ones((2, U)), np.random.default_rng(), dataset="", setting={}, environment={}, card={})


def test_tables_hold_every_row(board: Leaderboard) -> None:
    ranking, offline, agreement, choice, fidelity = leaderboard_tables(board)
    assert {row.figure for row in board.agreements if row.kind == "metric"} >= HELD_OUT
    assert not {row.figure for row in board.choice_agreements} & HELD_OUT
    assert len(board.agreements) - len(board.choice_agreements) == len(HELD_OUT)
    assert choice.title.startswith("Agreement with what people went on to take")
    assert len(ranking.rows) == len(offline.rows) == 4
    rated, chosen = own_judges(board.agreements, "rating"), own_judges(board.choice_agreements, "choice")
    assert {row.figure for row in rated if row.population} == {"expected", "rating"}
    assert {row.figure for row in chosen if row.population} == {"clicks"}
    assert (len(agreement.rows), len(choice.rows)) == (len(rated) + 1, len(chosen) + 1)
    for table, ceiling in ((agreement, board.ceilings["rating"]), (choice, board.ceilings["choice"])):
        assert 0.5 < ceiling.value <= 1
        assert "a perfect judge" in markdown(table)
    assert len(fidelity.rows) == len(board.fidelity) == 6
