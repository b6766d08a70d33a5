"""What simulated users say of the very items whose real value is known: one asking per population, six quantities.

The pairs of all truths, and the held-out rows that the weight of what is shown is fitted on, are asked together. Where
people rated items that they were shown at random, these give a weight of their own, and a seventh quantity.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from personagym_env.data.pair_index import PairIndex
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.pair_reactions import PairReactions, react_to_pairs
from personagym_env.evaluation.core.shown_value import ShownWeight, choice_odds, fit_shown_weight, shown_value
from personagym_env.evaluation.core.statistics import RatioOfSums
from personagym_env.protocols import UserAgent
from personagym_env.workers import Workers


@dataclass(frozen=True, eq=False)
class Questions:
    """Distinct pairs of users and items, and rows of the log among them."""

    users: IntArray
    """(p,) ascending."""
    items: IntArray
    """(p,) ascending within each user."""
    logged: Interactions
    """Held-out rows of the log; all of them are asked about."""
    sample: Interactions | None = None
    """Ratings of items that users were shown at random, all asked about; None where there are none."""

    @classmethod
    def about(
        cls,
        logged: Interactions,
        slates: Iterable[tuple[IntArray, IntArray]],
        sample: Interactions | None = None,
    ) -> "Questions":
        """All pairs of slates, given as users (n,) and items (n, k), of the logged rows, and of a random sample."""
        known = [logged] if sample is None else [logged, sample]
        keys = [log.users.astype(np.int64) * logged.n_items + log.items for log in known]
        keys += [np.unique(users[:, None].astype(np.int64) * logged.n_items + items) for users, items in slates]
        distinct = np.unique(np.concatenate(keys))
        return cls(distinct // logged.n_items, distinct % logged.n_items, logged, sample)

    @cached_property
    def places(self) -> PairIndex:
        """Where each pair stands."""
        return PairIndex(self.users, self.items, self.logged.n_items)

    def __len__(self) -> int:
        return len(self.users)

    def ask(
        self,
        agent: UserAgent,
        rng: np.random.Generator,
        progress: Callable[[int], None] | None = None,
        workers: Workers | None = None,
    ) -> "Answers":
        """What a population says of every pair, in fresh sessions.

        Args:
            agent: the population.
            rng: resamples the users for the interval of the weight.
            progress: told how many pairs were answered.
            workers: ask, see `react_to_pairs`.

        Raises:
            ValueError: the agent rates on another scale than the log.
        """
        if tuple(agent.scale) != self.logged.scale:
            raise ValueError(f"agent {agent.name!r} rates on {agent.scale}, and the data on {self.logged.scale}")
        said = react_to_pairs(agent, self.users, self.items, progress=progress, workers=workers)
        return self.answered(said, rng)

    def answered(self, reactions: PairReactions, rng: np.random.Generator) -> "Answers":
        """What a population has said of every pair; `rng` resamples the users for the interval of the weight."""
        expected = reactions.rating @ np.asarray(self.logged.scale)

        def weight_by(log: Interactions) -> ShownWeight:
            at = self.places.rows(log.users, log.items)
            return fit_shown_weight(
                log.users,
                log.ratings.astype(np.float64),
                expected[at],
                reactions.choice_probability[at],
                n_users=log.n_users,
                rng=rng,
            )

        return Answers(self, reactions, weight_by(self.logged), None if self.sample is None else weight_by(self.sample))


@dataclass(frozen=True, eq=False)
class Answers:
    """What one population said."""

    questions: Questions
    reactions: PairReactions
    weight: ShownWeight
    """Of the log odds in what is shown, by held-out rows of the log."""
    sampled_weight: ShownWeight | None = None
    """The same by a random sample; None where there is none."""

    @cached_property
    def quantities(self) -> Mapping[str, FloatArray]:
        """Key of `reporting.figures.ASKED` to (p,) values."""
        scale = self.questions.logged.scale
        expected = self.reactions.rating @ np.asarray(scale)
        span = scale[-1] - scale[0]
        liked = (expected - scale[0]) / span if span else np.ones_like(expected)
        odds = choice_odds(self.reactions.choice_probability)
        weights = {"shown": self.weight, "shown_sampled": self.sampled_weight}
        return {
            "expected": expected,
            "odds": odds,
            "odds_worth": odds * liked,
            "choice": self.reactions.choice_probability,
            "worth": self.reactions.choice_probability * liked,
        } | {
            name: shown_value(self.reactions, scale, weight.of_users(self.questions.users))
            for name, weight in weights.items()
            if weight is not None
        }

    def mean(self, quantity: str, users: IntArray, slates: IntArray) -> RatioOfSums:
        """A quantity, averaged over the items (n, k) of each of `users` (n,)."""
        rows = self.questions.places.rows(users[:, None], slates)
        if (rows < 0).any():
            raise ValueError("some pairs were not asked about")
        values = self.quantities[quantity][rows].mean(axis=1, dtype=np.float64)
        return RatioOfSums.of_users(users, values, self.questions.logged.n_users)
