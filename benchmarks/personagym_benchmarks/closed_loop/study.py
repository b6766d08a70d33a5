"""Deploy, log, refit, round after round: a recommender that learns from what it showed itself.

All arms of a loop have the same users with the same luck and the same items arriving, so they are compared loop by
loop; intervals are over loops. The users of a data set are the same in all of them. Shapes: s loops, r rounds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_benchmarks.closed_loop.arms import ARMS, Arrivals, Loop, LoopState
from personagym_benchmarks.closed_loop.settings import LoopSettings
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import BoolArray
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.closed_loop import exposure
from personagym_env.evaluation.closed_loop.board import FIGURES, ClosedLoop, LoopRound
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.offline import opening_slates
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import interval, over_repetitions, user_resamples
from personagym_env.logs.collect import ROWS
from personagym_env.run_context import RunContext
from personagym_env.world import World, make_world

PAIRS = ((1, 0), (2, 0), (2, 1))
"""Arms that are compared."""
RESAMPLES = 2_000
"""Of users, behind the intervals of what chance and a clairvoyant reach in the closed pool."""

Floats = npt.NDArray[np.float64]


class Measured(NamedTuple):
    """One round of one loop of one arm."""

    figures: Mapping[str, float]
    exposure: Floats
    """(g,) providers' shares."""
    catalogue: Floats
    """(g,) providers' shares of the items on offer."""
    effective_share: float


def run(settings: LoopSettings, context: RunContext) -> ClosedLoop:
    """Play all loops of all arms, and compare."""
    world = make_world(settings.dataset, settings.users)
    catalogue = world.dataset.catalogue
    if not catalogue.genres.any():
        raise ValueError(f"the closed loop takes genres for providers, and {world.dataset.name!r} has none")
    judge = _Judge(world, settings)
    loops = []
    with context.bar("rounds", settings.repetitions * len(ARMS) * settings.rounds) as bar:
        for repetition in range(settings.repetitions):
            rng = np.random.default_rng([settings.seed, repetition])
            arrivals = Arrivals.draw(len(catalogue), settings, rng)
            seed = settings.seed + repetition * settings.rounds * (settings.sessions + ROWS)
            arms = []
            for arm in ARMS:
                folder = context.folder / f"loop-{repetition}" / arm.name.replace(" ", "-")
                loop = Loop(settings, world, arm, arrivals, folder, seed)
                rounds = []
                for number in range(settings.rounds):
                    state = loop.play(number)
                    rounds.append(judge.measure(state, arrivals))
                    loop.refit(state)
                    bar(1)
                arms.append(rounds)
                end = rounds[-1].figures
                context.tell(f"loop {repetition}, {arm.name}: return {end['return']:.2f}, real {end['real']:.3f}")
            loops.append(arms)
    return _compared(settings, world, judge, loops)


class _Judge:
    """Measures rounds."""

    def __init__(self, world: World, settings: LoopSettings) -> None:
        self.pool = ClosedPool(temporal_split(world.dataset.interactions).test)
        self._world, self._settings = world, settings
        decay = world.parameters.examination.decay
        self._examination = (1.0 / (1.0 + np.arange(settings.slate_size))) ** decay
        self._owners = world.dataset.catalogue.genre_shares

    def measure(self, state: LoopState, arrivals: Arrivals) -> Measured:
        """What a round brought."""
        world, log, n_items = self._world, state.log, self._world.train.n_items
        offered: BoolArray = np.ones(n_items, np.bool_)
        offered[arrivals.withheld(state.number)] = False
        arrived = np.zeros(n_items, np.bool_)
        arrived[arrivals.all] = True
        shares = exposure.exposure(log.slate, self._examination, n_items)
        exposed = exposure.by_provider(shares, self._owners)
        catalogue = exposure.by_provider(offered.astype(np.float64), self._owners)
        picks = self.pool.picks(state.policy, world.profiles, history_length=HISTORY_LENGTH)
        best = opening_slates(
            state.policy,
            np.arange(world.train.n_users),
            world.profiles,
            self._settings.slate_size,
            history_length=HISTORY_LENGTH,
        )
        figures = {
            "return": float(log.reward.sum() / log.n_episodes),
            "real": float(np.nanmean(self.pool.value(picks).per_user)),
            "gini": exposure.concentration(shares, offered),
            "coverage": len(np.unique(best)) / int(offered.sum()),
            "newcomers": exposure.newcomers(shares, offered, arrived & offered),
            "disparity": exposure.disparity(exposed, catalogue),
        }
        return Measured(figures, exposed, catalogue, state.effective_share)


def _compared(settings: LoopSettings, world: World, judge: _Judge, loops: list[list[list[Measured]]]) -> ClosedLoop:
    """Everything by arm, with intervals over loops."""
    values = {  # (s, arms, r)
        key: np.array([[[one.figures[key] for one in rounds] for rounds in arms] for arms in loops]) for key in FIGURES
    }
    weights = user_resamples(world.train.n_users, RESAMPLES, np.random.default_rng(settings.seed))
    chance, best = (interval(figure.resampled(weights)) for figure in (judge.pool.chance, judge.pool.best))
    return ClosedLoop(
        users=world.agent.name,
        sessions=settings.sessions,
        repetitions=settings.repetitions,
        providers=world.dataset.catalogue.genre_names,
        rounds=tuple(_rounds(values, loops)),
        differences={key: _differences(found[:, :, 1:].mean(axis=2)) for key, found in values.items()},
        last_differences={key: _differences(found[:, :, -1]) for key, found in values.items()},
        effective_share=float(np.mean([arms[2][-1].effective_share for arms in loops])),
        chance=chance,
        best=best,
        setting=asdict(settings),
        environment=environment_snapshot(),
        benchmarks={world.dataset.name: world.benchmark},
    )


def _rounds(values: Mapping[str, Floats], loops: list[list[list[Measured]]]) -> Iterator[LoopRound]:
    """Every round of every arm."""
    for a, arm in enumerate(ARMS):
        for number in range(len(loops[0][a])):
            measured = [arms[a][number] for arms in loops]
            yield LoopRound(
                arm.name,
                number,
                {key: over_repetitions(found[:, a, number]) for key, found in values.items()},
                tuple(np.mean([one.exposure for one in measured], axis=0).tolist()),
                tuple(np.mean([one.catalogue for one in measured], axis=0).tolist()),
            )


def _differences(values: Floats) -> tuple[Difference, ...]:
    """Of a figure (s, arms)."""
    return tuple(
        Difference(ARMS[left].name, ARMS[right].name, over_repetitions(values[:, left] - values[:, right]))
        for left, right in PAIRS
    )
