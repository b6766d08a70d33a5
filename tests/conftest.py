"""Small worlds with known answers: synthetic data, and user agents that are tables of numbers. And a time budget."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions, Users
from personagym_env.protocols import Reaction

BUDGET = "PERSONAGYM_TEST_SECONDS"
"""Environment variable: processor seconds that the tests may take, as CI sets it; without it they are only printed."""
REFERENCE_SECONDS = 0.0135
"""Processor seconds of `_loop` on the processor that the budget was set on, when nothing else ran."""
SLOWNESS = pytest.StashKey[float]()
WORKERS = pytest.StashKey[list[float]]()
"""Processor seconds of each process that tests."""
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)

# The same examples in every run: what passes here passes in CI. `make explore` draws others.
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.register_profile("explore", print_blob=True)
hypothesis.settings.load_profile(os.environ.get("PERSONAGYM_EXAMPLES", "fixed"))


def processor_seconds() -> float:
    """What this process and its finished children have used."""
    return sum(os.times()[:4])


def _loop() -> float:
    """Processor seconds of a fixed piece of work."""
    begin = time.process_time()
    sum(number * number for number in range(400_000))
    return time.process_time() - begin


def slowness() -> float:
    """How much slower this processor is now than the one that the budget was set on; a faster one counts as equal.

    A busy or slow machine takes up to twice the processor seconds for the same tests, which is no fault of theirs.
    """
    return max(1.0, statistics.median(_loop() for _ in range(9)) / REFERENCE_SECONDS)


@pytest.fixture
def slower(request: pytest.FixtureRequest) -> float:
    """How many times as long this processor takes, for tests that allow a time."""
    return float(request.config.stash[SLOWNESS])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Look at the processor, as a second time at the end."""
    session.config.stash[SLOWNESS], session.config.stash[WORKERS] = slowness(), []


@pytest.hookimpl(trylast=True)  # after the workers
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that took longer than it may; a worker tells what it took."""
    config = session.config
    config.stash[SLOWNESS] = (config.stash[SLOWNESS] + slowness()) / 2
    if hasattr(config, "workeroutput"):
        config.workeroutput[BUDGET] = processor_seconds()
    elif session.exitstatus == pytest.ExitCode.OK and _spent(config) / config.stash[SLOWNESS] > float(
        os.environ.get(BUDGET, "inf")
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Listen to a worker that is done."""
    node.config.stash[WORKERS].append(getattr(node, "workeroutput", {}).get(BUDGET, 0.0))


def _spent(config: pytest.Config) -> float:
    """Processor seconds of the tests: of the workers that ran them, or else of this process."""
    return sum(config.stash[WORKERS]) or processor_seconds()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how long the tests took."""
    spent, slower, allowed = _spent(config), config.stash[SLOWNESS], os.environ.get(BUDGET)
    scaled = f", {spent / slower:.0f} of the budget's processor" if slower > 1 else ""
    terminalreporter.line(f"{spent:.0f} processor seconds{scaled}" + (f", {allowed} allowed" if allowed else ""))


@dataclass(frozen=True, eq=False)
class TableAgent:
    """Users whose want and ratings are looked up, and who want everything less with each item that they consume."""

    name: str
    scale: tuple[float, ...]
    want_logit: FloatArray
    """(u, m)"""
    rating: FloatArray
    """(u, m, r)"""
    weariness: float
    """Logits that each consumed item takes from every want."""

    @property
    def n_users(self) -> int:
        """Rows of the tables."""
        return self.want_logit.shape[0]

    @property
    def n_items(self) -> int:
        """Columns of the tables."""
        return self.want_logit.shape[1]

    def open(self, n: int) -> "TableSessions":
        """Room for n sessions."""
        return TableSessions(self, n)


class TableSessions:
    """Remembers each row's user and how many items the row has consumed; counts the rows that it was asked about."""

    def __init__(self, agent: TableAgent, n: int) -> None:
        self.agent = agent
        self.users = np.full(n, -1)
        self.consumed = np.zeros(n)
        self.asked = 0

    def start(self, rows: IntArray, users: IntArray) -> None:
        """Forget what the rows consumed."""
        self.users[rows], self.consumed[rows] = users, 0

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """Look the answers up."""
        assert (self.users[rows] >= 0).all(), "a row was asked before it was started"
        self.asked += len(rows)
        users = self.users[rows, None]
        logit = self.agent.want_logit[users, slates] - self.agent.weariness * self.consumed[rows, None]
        return Reaction((1 / (1 + np.exp(-logit))).astype(np.float32), self.agent.rating[users, slates])

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Count the consumption."""
        assert ((ratings >= 0) & (ratings < len(self.agent.scale))).all()
        self.consumed[rows] += 1


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for these tests, so that they neither use nor fill the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSONAGYM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., Dataset]:
    """A factory of synthetic data sets: genres by item id, ratings by a hidden taste, sessions with pauses of a day."""

    def make(
        n_users: int = 12, n_items: int = 80, n_genres: int = 4, per_user: int = 20, *, timed: bool = True
    ) -> Dataset:
        rng = np.random.default_rng(7)
        genres = np.zeros((n_items, n_genres), np.bool_)
        genres[np.arange(n_items), np.arange(n_items) % n_genres] = True
        genres[:, -1] |= np.arange(n_items) % 5 == 0
        users = np.repeat(np.arange(n_users), per_user)
        items = np.concatenate([rng.choice(n_items, per_user, replace=False) for _ in range(n_users)])
        ratings = rng.choice(SCALE, len(users), p=[0.05, 0.1, 0.25, 0.35, 0.25])
        pauses = np.where(rng.random(len(users)) < 0.15, 86_400, 60)
        return Dataset(
            name="synthetic",
            catalogue=Catalogue(
                ids=tuple(f"i{j}" for j in range(n_items)),
                titles=tuple(f"Film {j}" for j in range(n_items)),
                years=np.full(n_items, 1990),
                genre_names=tuple(f"genre {g}" for g in range(n_genres)),
                genres=genres,
            ),
            users=Users(ids=tuple(f"u{i}" for i in range(n_users)), attributes={"age": ("30",) * n_users}),
            interactions=Interactions.from_columns(
                users,
                items,
                ratings,
                np.cumsum(pauses) if timed else None,
                n_users=n_users,
                n_items=n_items,
                scale=SCALE,
            ),
        )

    return make


@pytest.fixture(scope="session")
def make_agent() -> Callable[..., TableAgent]:
    """A factory of table agents; a choice probability, or a rating (index into the scale), for every answer."""

    def make(
        n_users: int = 12,
        n_items: int = 80,
        *,
        choice_probability: float | None = None,
        rating: int | None = None,
        scale: tuple[float, ...] = SCALE,
        weariness: float = 0.0,
    ) -> TableAgent:
        rng = np.random.default_rng(11)
        logit = rng.normal(0, 1.5, (n_users, n_items))
        if choice_probability is not None:
            logit[:] = np.log(choice_probability / (1 - choice_probability))
        distribution = rng.dirichlet(np.ones(len(scale)), (n_users, n_items)).astype(np.float32)
        if rating is not None:
            distribution[:] = np.eye(len(scale))[rating]
        return TableAgent("table", scale, logit, distribution, weariness)

    return make


@pytest.fixture(scope="session")
def dataset(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset()


@pytest.fixture(scope="session")
def agent(make_agent: Callable[..., TableAgent]) -> TableAgent:
    """Users with varied tastes whose wants depend on what they consumed."""
    return make_agent(weariness=0.05)


@pytest.fixture(scope="session")
def small_log(make_dataset: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a data set of 40 users with 60 of 150 items each, of which 12 are held out."""
    folder = tmp_path_factory.mktemp("data") / "small"
    return write_atomic_files(make_dataset(n_users=40, n_items=150, per_user=60), folder)
