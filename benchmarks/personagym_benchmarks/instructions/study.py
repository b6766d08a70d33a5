"""Plays sessions of users who speak, with a recommender that listens, one that does not, and one that mishears.

Shapes: u users, m items.
"""

from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np

from personagym_benchmarks.instructions.predictions import predictions, wishes_at_the_end
from personagym_benchmarks.instructions.settings import InstructionSettings
from personagym_env.data.named_splits import named_split
from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import RatioOfSums, interval, user_resamples
from personagym_env.evaluation.instructions.board import FIGURES, Instructions, Listener
from personagym_env.protocols import Observation, Recommender
from personagym_env.run_context import Bar, RunContext
from personagym_env.session.instructions import Panel
from personagym_env.world import World, make_world


class _Overheard:
    """Gives a follower wishes that are not in the observation, or another user's in the place of those that are.

    Args:
        follower: listens.
        wishes: (u, 3) what each user is taken to wish.
        always: whether wishes stand where the user has said nothing, too.
    """

    def __init__(self, follower: Recommender, wishes: IntArray, *, always: bool) -> None:
        self._follower, self._wishes, self._always = follower, wishes, always

    @property
    def name(self) -> str:
        """See `Recommender.name`."""
        return self._follower.name

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """See `Recommender.fit`."""
        self._follower.fit(log, catalogue)
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """See `Recommender.recommend`."""
        wishes = self._wishes[observation["user"]]
        if not self._always:
            said = observation["instruction"]
            wishes = np.where((said != np.array([-1, -1, 0])).any(axis=1)[:, None], wishes, said)
        heard = observation.copy()
        heard["instruction"] = wishes
        return self._follower.recommend(heard, k, candidates)


def run(settings: InstructionSettings, context: RunContext) -> Instructions:
    """Predict, play and compare."""
    from personagym_recommenders import InstructionFollower, find_recommender

    settings.check()
    world = make_world(settings.dataset, settings.agent, parameters={"instructions": {"reach": settings.reach}})
    held_out = named_split(world.dataset).split.test
    catalogue, n_users = world.dataset.catalogue, world.train.n_users
    panel = Panel.of(world.agent, world.train, catalogue)
    wishes = wishes_at_the_end(world, panel)
    rng = np.random.default_rng(settings.seed)
    order = rng.permutation(n_users)
    others = np.empty(n_users, np.int64)
    others[order] = np.roll(order, 1)
    weights = user_resamples(n_users, settings.resamples, np.random.default_rng(settings.seed))
    found = tuple(predictions(wishes, others, held_out, catalogue, weights))
    recommender = find_recommender(settings.recommender).make().fit(world.train, catalogue)
    follower = InstructionFollower(recommender).fit(world.train, catalogue)
    arms: Mapping[str, tuple[Recommender, Recommender]] = {
        recommender.name: (recommender, recommender),
        "follows": (follower, _Overheard(follower, wishes, always=True)),
        "mishears": (
            _Overheard(follower, wishes[others], always=False),
            _Overheard(follower, wishes[others], always=True),
        ),
    }
    samples = {}
    with context.bar("sessions", len(arms) * settings.users) as bar:
        for name, (in_sessions, at_the_end) in arms.items():
            samples[name] = _measured(settings, world, in_sessions, bar) | {
                "real": _real(world, held_out, at_the_end).resampled(weights)
            }
    names = list(arms)
    return Instructions(
        users=n_users,
        agent=world.agent.name,
        reach=settings.reach,
        predictions=found,
        listeners=tuple(Listener(name, {key: interval(samples[name][key]) for key in FIGURES}) for name in names),
        differences={key: tuple(_differences(key, samples, names)) for key in FIGURES},
        setting=recorded(settings),
        environment=environment_snapshot(),
        benchmarks={world.dataset.name: world.benchmark},
    )


def _measured(settings: InstructionSettings, world: World, recommender: Recommender, bar: Bar) -> dict[str, FloatArray]:
    """Figures of sessions under every resample; the plan is the same for everybody."""
    plan = SessionPlan.draw(world.train.n_users, users=min(settings.users, world.train.n_users), seed=settings.seed)
    sessions = simulate(
        recommender,
        world,
        plan,
        slate_size=settings.slate_size,
        max_episode_steps=settings.steps,
        progress=bar,
    )
    statistics = sessions.statistics(world.train.n_users)
    weights = user_resamples(world.train.n_users, settings.resamples, np.random.default_rng(settings.seed))
    return {key: statistics[key].resampled(weights) for key in FIGURES if key != "real"}


def _real(world: World, held_out: Interactions, recommender: Recommender) -> RatioOfSums:
    pool = ClosedPool(held_out)
    return pool.value(pool.picks(recommender, world.profiles, history_length=HISTORY_LENGTH))


def _differences(key: str, samples: Mapping[str, Mapping[str, FloatArray]], names: list[str]) -> Iterator[Difference]:
    for left, right in ((1, 0), (2, 0), (1, 2)):
        value = interval(samples[names[left]][key] - samples[names[right]][key])
        yield Difference(names[left], names[right], value)
