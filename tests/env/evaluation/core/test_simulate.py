"""Simulated value: the same sessions as the environment's, and figures that can be worked out."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users
from personagym_env.env import PersonaRecEnv
from personagym_env.evaluation.core.simulate import SessionPlan, fillable_users, simulate
from personagym_env.protocols import NO_ITEM, Observation, Reaction, UserSessions
from personagym_env.session.parameters import SessionParameters
from personagym_env.world import World

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
U, M, K = 12, 40, 4
WANT = np.random.default_rng(0).uniform(0.05, 0.95, (U, M))


class _TableUsers:
    """Want from a table; the rating is always the one nearest to 1 + 4 want."""

    name = "table"
    scale = SCALE
    n_users, n_items = U, M

    def __init__(self, choice_probability: np.ndarray) -> None:
        self.choice_probability = choice_probability
        self.asked = 0

    def open(self, n: int) -> UserSessions:
        return _TableSessions(self, n)


class _TableSessions:
    def __init__(self, agent: _TableUsers, n: int) -> None:
        self.agent, self.users = agent, np.full(n, -1)

    def start(self, rows: np.ndarray, users: np.ndarray) -> None:
        self.users[rows] = users

    def react(self, rows: np.ndarray, slates: np.ndarray) -> Reaction:
        self.agent.asked += len(rows)
        choice_probability = self.agent.choice_probability[self.users[rows][:, None], slates]
        return Reaction(choice_probability, np.eye(5)[np.round(4 * choice_probability).astype(int)])

    def consume(self, rows: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> None:
        pass


class _ByScore:
    """Shows the items with the highest known score that this session has not consumed."""

    name = "by score"

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def fit(self, log: Interactions, catalogue: Catalogue) -> "_ByScore":
        return self

    def recommend(self, observation: Observation, k: int, candidates: np.ndarray | None = None) -> np.ndarray:
        scores = self.scores[observation["user"]].copy()
        row, place = np.nonzero(observation["history_items"] != NO_ITEM)
        scores[row, observation["history_items"][row, place]] = -np.inf
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def _world(choice_probability: np.ndarray, **parameters: dict[str, float]) -> World:
    log = Interactions.from_columns(
        np.arange(U), np.full(U, M - 1), np.full(U, 3.0), None, n_users=U, n_items=M, scale=SCALE
    )
    names = tuple(f"item {i}" for i in range(M))
    catalogue = Catalogue(names, names, np.zeros(M, int), ("a",), np.ones((M, 1), bool))
    dataset = Dataset("table", catalogue, Users(tuple(str(u) for u in range(U))), log)
    return World(dataset, log, _TableUsers(choice_probability), SessionParameters().updated(parameters))


def _play_one(world: World, recommender: _ByScore, user: int, seed: int) -> tuple[float, int, float, int, bool]:
    env = PersonaRecEnv(world, K, max_episode_steps=8)
    observation, _ = env.reset(seed=seed, options={"user": user})
    total, clicks, ratings, steps, over = 0.0, 0, 0.0, 0, False
    while not over:
        batch = {key: np.asarray(value)[None] for key, value in observation.items()}
        slate = recommender.recommend(batch, K)[0]  # type: ignore[arg-type]
        observation, reward, left, cut, info = env.step(slate)
        total, steps, over = total + float(reward), steps + 1, left or cut
        clicks += int(info["clicked_item"] != NO_ITEM)
        ratings += float(info["rating"])
    return total, clicks, ratings, steps, left


@pytest.mark.parametrize("rows", [1, 5, 64])
def test_sessions_are_those_of_the_environment_whatever_the_batch(rows: int) -> None:
    world, recommender = _world(WANT), _ByScore(WANT)
    plan = SessionPlan.draw(U, episodes_per_user=2, seed=7)
    played = simulate(recommender, world, plan, slate_size=K, max_episode_steps=8, rows=rows)
    for j in range(len(plan.users)):
        expected = _play_one(world, recommender, int(plan.users[j]), plan.seed + j)
        ours = (played.returns[j], played.clicks[j], played.rating_sums[j], played.steps[j], played.left[j])
        assert ours == pytest.approx(expected)


def test_no_user_is_asked_for_nothing() -> None:
    world = _world(WANT)
    played = simulate(_ByScore(WANT), world, SessionPlan.draw(U, seed=1), slate_size=K, rows=5)
    assert world.agent.asked == played.steps.sum()  # type: ignore[attr-defined]


def test_users_who_want_everything_and_never_leave() -> None:
    """Certain wants, no satiation, no leaving: one click at every step, each rated 5, return 1 per step."""
    world = _world(
        np.full((U, M), 1 - 1e-9),
        examination={"decay": 0.0},
        choice={"temperature": 1e-3, "satiation_weight": 0.0},
        leaving={"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0},
    )
    ended: list[int] = []
    played = simulate(
        _ByScore(WANT), world, SessionPlan.draw(U), slate_size=K, max_episode_steps=6, rows=5, progress=ended.append
    )
    assert sum(ended) == U
    figures = {name: statistic.resampled(np.ones((1, U)))[0] for name, statistic in played.statistics(U).items()}
    expected = {"return": 6, "clicks": 1, "rating": 5, "length": 6, "reward": 1, "retention": 1}
    assert figures == pytest.approx(expected)
    assert not played.left.any()


def test_the_same_luck_for_everyone_sharpens_comparisons() -> None:
    world, plan = _world(WANT), SessionPlan.draw(U, episodes_per_user=20, seed=3)

    def play(scores: np.ndarray, plan: SessionPlan) -> np.ndarray:
        return simulate(_ByScore(scores), world, plan, slate_size=K).returns

    nearly = WANT + np.random.default_rng(1).normal(0, 0.01, WANT.shape)
    first, second = play(WANT, plan), play(nearly, plan)
    elsewhere = play(nearly, plan._replace(seed=999))
    np.testing.assert_array_equal(first, play(WANT, plan))
    assert np.var(first - second) < 0.6 * np.var(first - elsewhere)


def test_a_better_recommender_is_worth_more() -> None:
    world, plan = _world(WANT), SessionPlan.draw(U, episodes_per_user=30, seed=4)
    value: Callable[[np.ndarray], float] = lambda scores: float(  # noqa: E731
        simulate(_ByScore(scores), world, plan, slate_size=K).returns.mean()
    )
    noise = np.random.default_rng(5).random(WANT.shape)
    assert value(WANT) > value(noise) > value(-WANT)


def test_plans() -> None:
    plan = SessionPlan.draw(10, users=4, episodes_per_user=3, seed=2)
    assert len(plan.users) == 12
    assert len(set(zip(plan.users.tolist(), plan.episodes.tolist(), strict=True))) == 12
    assert len(set(plan.users.tolist())) == 4
    with pytest.raises(ValueError, match="cannot plan"):
        SessionPlan.draw(10, users=11)


def test_a_slate_with_repeats_is_the_recommenders_fault() -> None:
    class Lazy(_ByScore):
        def recommend(self, observation: Observation, k: int, candidates: np.ndarray | None = None) -> np.ndarray:
            return np.zeros((len(observation["user"]), k), int)

    with pytest.raises(ValueError, match="holds an item twice"):
        simulate(Lazy(WANT), _world(WANT), SessionPlan.draw(U), slate_size=K)


class _Candidates(_ByScore):
    """Shows the best of the candidates that it is told of, and remembers all that it has shown to whom."""

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__(scores)
        self.shown = np.zeros((U, M), np.bool_)

    def recommend(self, observation: Observation, k: int, candidates: np.ndarray | None = None) -> np.ndarray:
        assert candidates is not None
        scores = np.where(candidates, self.scores[observation["user"]], -np.inf)
        slates = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        self.shown[observation["user"][:, None], slates] = True
        return slates


def test_hidden_rows_are_not_shown_and_what_is_left_is() -> None:
    world = _world(WANT)
    users, items = np.repeat(np.arange(U), 5), np.concatenate([np.argsort(-row)[:5] for row in WANT])
    hidden = Interactions.from_columns(users, items, np.full(len(users), 5.0), None, n_users=U, n_items=M, scale=SCALE)
    recommender = _Candidates(WANT)
    played = simulate(recommender, world, SessionPlan.draw(U, seed=2), slate_size=K, hidden=hidden)
    assert not recommender.shown[users, items].any()
    assert not recommender.shown[:, M - 1].any()  # the world's own log
    np.testing.assert_array_equal(recommender.shown.any(axis=1), True)
    # Without hidden rows the same recommender has its favourites back, which are worth more.
    assert (
        simulate(_ByScore(WANT), world, SessionPlan.draw(U, seed=2), slate_size=K).returns.sum() > played.returns.sum()
    )


def test_hidden_rows_belong_to_the_world() -> None:
    foreign = Interactions.from_columns(
        np.zeros(1, int), np.zeros(1, int), np.ones(1), None, n_users=U, n_items=M + 1, scale=SCALE
    )
    with pytest.raises(ValueError, match="do not belong"):
        simulate(_Candidates(WANT), _world(WANT), SessionPlan.draw(U), slate_size=K, hidden=foreign)


class _Drawing(_ByScore):
    """Shows neighbouring items from one on that its luck chooses."""

    def draw(
        self, observation: Observation, k: int, keys: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        return ((keys % np.uint64(M)).astype(int)[:, None] + np.arange(k)) % M

    def propensities(self, observation: Observation, slates: np.ndarray, candidates: np.ndarray | None = None) -> None:
        raise AssertionError("playing asks for no propensities")


def test_a_stochastic_recommender_shows_what_it_draws_whatever_the_batch() -> None:
    world, plan = _world(WANT), SessionPlan.draw(U, seed=3)
    drawing = _Drawing(WANT)
    played = [simulate(drawing, world, plan, slate_size=K, rows=rows).returns for rows in (1, 5, 64)]
    np.testing.assert_array_equal(played[0], played[1])
    np.testing.assert_array_equal(played[0], played[2])
    assert (played[0] != simulate(_ByScore(WANT), world, plan, slate_size=K).returns).any()


STAY = {"leaving": {"intercept": -20.0, "satisfaction_weight": 0.0}, "choice": {"outside": -30.0}}
"""Users who take something at every step and never leave."""


@pytest.mark.parametrize("seed", range(20))
def test_sessions_end_when_no_slate_is_left(seed: int) -> None:
    """Users know between 1 and all of the items; a session has as many steps as slates can be filled."""
    rng = np.random.default_rng(seed)
    known = rng.integers(1, M + 1, U)
    known[0] = 1 + M // 2
    users = np.repeat(np.arange(U), known)
    items = np.concatenate([rng.permutation(M)[:count] for count in known])
    log = Interactions.from_columns(users, items, np.full(len(users), 3.0), None, n_users=U, n_items=M, scale=SCALE)
    world = _world(np.full((U, M), 0.9), **STAY)
    world = replace(world, dataset=replace(world.dataset, interactions=log), train=log)
    plan = SessionPlan.draw(U, seed=seed)
    allowed = (log.matrix(np.ones(len(log))).toarray() == 0).astype(float)
    played = simulate(_ByScore(allowed), world, plan, slate_size=K, max_episode_steps=50, rows=5)
    expected = np.minimum(50, np.maximum(0, M - known[plan.users] - K + 1))
    np.testing.assert_array_equal(played.steps, expected)
    np.testing.assert_array_equal(played.clicks, expected)
    assert not played.left.any()
    np.testing.assert_array_equal(fillable_users(log, K)[plan.users], expected > 0)
    began = (expected > 0).sum()
    assert played.statistics(U)["length"].resampled(np.ones((1, U)))[0] == pytest.approx(expected.sum() / began)


def test_somebody_must_have_a_slate_left() -> None:
    with pytest.raises(ValueError, match="slates of 40 cannot be filled: of 40 items each of the 12 users"):
        simulate(_ByScore(WANT), _world(WANT), SessionPlan.draw(U), slate_size=M)
