"""Ways of refitting, and one loop of one of them.

Shapes: d decisions, k slate places, m items.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from personagym_benchmarks.closed_loop.settings import LoopSettings
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.logs.collect import ROWS, collect
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import open_log
from personagym_env.workers import ThreadWorkers
from personagym_env.world import World
from personagym_recommenders import ScoringRecommender, load_recommender
from personagym_recommenders.offline.impression_factors import ImpressionFactors, Impressions
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

Refit = Literal["never", "naively", "with propensities"]


class Arm(NamedTuple):
    """A way of refitting."""

    name: str
    refit: Refit


ARMS = (
    Arm("never refitted", "never"),
    Arm("refitted naively", "naively"),
    Arm("refitted with propensities", "with propensities"),
)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Which items come when."""

    lots: tuple[IntArray, ...]
    """Those that arrive before round 1, before round 2, and so on."""

    @classmethod
    def draw(cls, n_items: int, settings: LoopSettings, rng: np.random.Generator) -> "Arrivals":
        """A share of all items, in equal lots.

        Raises:
            ValueError: there are fewer items to arrive than rounds that they arrive in.
        """
        arriving = rng.permutation(n_items)[: round(settings.arriving * n_items)]
        if len(arriving) < settings.rounds - 1:
            raise ValueError(
                f"{len(arriving)} of {n_items} items arrive, too few for {settings.rounds - 1} rounds: "
                "let more arrive, or play fewer rounds"
            )
        return cls(tuple(np.sort(lot) for lot in np.array_split(arriving, settings.rounds - 1)))

    @property
    def all(self) -> IntArray:
        """Whatever arrives after the first round."""
        return np.concatenate(self.lots)

    def withheld(self, number: int) -> IntArray:
        """What has not arrived in a round."""
        return np.concatenate([np.zeros(0, np.int64), *self.lots[number:]])


class LoopState(NamedTuple):
    """A round of an arm: what was deployed and what came of it."""

    number: int
    policy: PlackettLuce
    log: LoggedDecisions
    weights: npt.NDArray[np.float64] | None
    """(d, k) of the impressions; None for 1."""

    @property
    def effective_share(self) -> float:
        """Impressions of equal weight that those of the log are worth under their weights, as a share."""
        if self.weights is None:
            return 1.0
        return float(self.weights.sum() ** 2 / (self.weights**2).sum() / self.weights.size)


class Loop:
    """One loop of one arm: `play` and `refit`, round by round.

    Args:
        settings: of the study.
        world: whose users react.
        arm: the way of refitting.
        arrivals: which items come when.
        folder: of this loop's logs; a loop that was cut off finds them there.
        seed: of the first session.
    """

    def __init__(
        self, settings: LoopSettings, world: World, arm: Arm, arrivals: Arrivals, folder: Path, seed: int
    ) -> None:
        self._settings, self._world, self._arm, self._arrivals = settings, world, arm, arrivals
        self._folder, self._seed = folder, seed
        recommender = load_recommender(settings.recommender)
        if not isinstance(recommender, ScoringRecommender):
            raise TypeError(f"the loop corrects scores, and {settings.recommender} has none")
        self._model = ImpressionFactors(
            recommender, cast(list[int], arrivals.all.tolist()), settings.rank, settings.bias_penalty,
            settings.factor_penalty,
        )  # fmt: skip
        self._model.fit(world.train, world.dataset.catalogue)
        self._impressions: Impressions | None = None

    def play(self, number: int) -> LoopState:
        """Deploy and log. The policy is the one that was deployed until `refit` is called."""
        policy = self._policy(number)
        log = self._log(policy, number)
        weights = self._weights(log, self._world.train.n_items - len(self._arrivals.withheld(number)))
        return LoopState(number, policy, log, weights)

    def refit(self, state: LoopState) -> None:
        """Learn from a round and all before it, each once; for an arm that does."""
        if self._arm.refit == "never":
            return
        shape = self._world.train.n_users, self._world.train.n_items
        fresh = Impressions.of(state.log, shape, state.weights)
        self._impressions = fresh if self._impressions is None else self._impressions + fresh
        self._model.refit(self._impressions)

    def _policy(self, number: int) -> PlackettLuce:
        settings, world = self._settings, self._world
        policy = PlackettLuce(
            self._model,
            settings.temperature,
            candidates=world.train.n_items,
            floor=settings.floor,
            by_rank=True,
            withheld=self._arrivals.withheld(number).tolist(),
        )
        return policy.ask_fitted(world.train, world.dataset.catalogue)

    def _log(self, policy: PlackettLuce, number: int) -> LoggedDecisions:
        """The sessions of a round, with the same luck in every arm."""
        settings, mark = self._settings, policy.fingerprint()
        folder = self._folder / f"round-{number}"
        collect(
            policy,
            self._world,
            folder,
            episodes=settings.sessions,
            policy_fingerprint=mark,
            slate_size=settings.slate_size,
            max_episode_steps=settings.longest,
            seed=self._seed + number * (settings.sessions + ROWS),
            rows=min(ROWS, settings.sessions),
            episodes_per_row=1,
            workers=ThreadWorkers(1),
        )
        return open_log(folder, policy_fingerprint=mark).read()

    def _weights(self, log: LoggedDecisions, offered: int) -> npt.NDArray[np.float64] | None:
        """(d, k) how much less probable each impression was than under random slates, inverted; None for 1."""
        if self._arm.refit != "with propensities":
            return None
        marginal: FloatArray = log.propensities.marginal
        return np.asarray(1.0 / (offered * marginal), np.float64)
