"""What policies earn in sessions, computed: the expectation over everything that a short session can come to.

Where users do not change with what they consume, a session of few candidates and steps is a small tree: at each step
an item is taken or none, with probabilities that depend on the items taken before through satiation alone; ratings
decide who stays. Shapes: u users, p candidates of each, s slates of k places, g genres, r ratings, y policies, z paths
of ratings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit

from personagym_env.evaluation.off_policy.decisions import Floats
from personagym_env.evaluation.off_policy.situations import Situations, SlateTable
from personagym_env.session.kernel import choice_log_odds
from personagym_env.session.parameters import SessionParameters
from personagym_env.world import World


def why_not_computable(parameters: SessionParameters) -> str:
    """Why sessions have to be played, in words; empty if `session_values` can compute them."""
    weights = parameters.reward
    if any((weights.leave, weights.empty, weights.retention)):
        return "exact values need rewards for what is taken alone"
    if parameters.drift.scale > 0:
        return "exact values need users whose taste does not drift"
    if parameters.returning.max_sessions > 1:
        return "exact values need users who do not return"
    return ""


def session_values(world: World, tables: Mapping[str, SlateTable], steps: int) -> dict[str, float]:
    """Expected return of a session by policy, the mean over all users.

    Args:
        world: whose users react; what they consume in a session must not change their reactions.
        tables: of policies by name.
        steps: longest session; the tables' situations must be those of so many steps.

    Raises:
        ValueError: see `why_not_computable`.
    """
    if reason := why_not_computable(world.parameters):
        raise ValueError(reason)
    found: dict[str, float] = {}
    for situations in {id(table.situations): table.situations for table in tables.values()}.values():
        names = [name for name, table in tables.items() if table.situations is situations]
        values = _Tree(world, situations, [tables[name] for name in names], steps).values()
        found |= dict(zip(names, values.tolist(), strict=True))
    return {name: found[name] for name in tables}


@dataclass(frozen=True, eq=False)
class _Node:
    """What a session has come to: the items taken and not taken, in order."""

    step: int
    taken: tuple[int, ...]
    satiation: Floats
    """(u, g)"""
    reached: Floats
    """(y, u) probability of these choices under each policy, as long as the user stays."""
    satisfaction: Floats
    """(z,) after each path of ratings."""
    stayed: Floats
    """(u, z) probability of the path, and of still being there."""


class _Tree:
    """Sessions of one set of candidates under some policies."""

    def __init__(self, world: World, situations: Situations, tables: list[SlateTable], steps: int) -> None:
        self.parameters, self.situations, self.tables, self.steps = world.parameters, situations, tables, steps
        u = len(situations.items)
        rows = np.arange(u)
        sessions = world.agent.open(u)
        sessions.start(rows, rows)
        reaction = sessions.react(rows, situations.items)
        self.log_odds = choice_log_odds(reaction.choice_probability).astype(np.float64)  # (u, p)
        self.rating = reaction.rating.astype(np.float64)  # (u, p, r)
        self.levels = world.dynamics.normalised_rating.astype(np.float64)  # (r,)
        weights = world.parameters.reward
        self.worth = weights.click + weights.rating * (self.rating @ self.levels)  # (u, p)
        self.genres = world.dynamics.genre_share[situations.items].astype(np.float64)  # (u, p, g)

    def values(self) -> Floats:
        """(y,) value of each policy."""
        u, g = len(self.situations.items), self.genres.shape[2]
        start = np.array([self.parameters.satisfaction.initial])
        root = _Node(0, (), np.zeros((u, g)), np.ones((len(self.tables), u)), start, np.ones((u, 1)))
        return self._earned(root)

    def _earned(self, node: _Node) -> Floats:
        """(y,) what is earned from a node on, times the probability of coming there."""
        number = int(self.situations.set_numbers(np.array(sum(1 << one for one in node.taken))))
        chosen = self._chosen(node, number).reshape(len(node.satiation), -1)  # (u, s' * k)
        hot = self._hot(number)
        taken = np.stack([(self._shown(table, number) * chosen) @ hot for table in self.tables])  # (y, u, p)
        alive = node.reached * node.stayed.sum(axis=1)
        total = np.asarray((alive * (taken * self.worth).sum(axis=2)).mean(axis=1))
        if node.step + 1 < self.steps:
            total = total + self._earned(self._after_nothing(node, 1 - taken.sum(axis=2)))
            for position in np.flatnonzero(~self.situations.taken[number]).tolist():
                total = total + self._earned(self._after(node, position, taken[:, :, position]))
        return total

    def _shown(self, table: SlateTable, number: int) -> Floats:
        """(u, s' * k) each slate's propensity, at each of its places."""
        return np.repeat(table.of_set(number), self.situations.slates.shape[1], axis=1)

    def _hot(self, number: int) -> Floats:
        """(s' * k, p) which candidate stands at each place of each slate."""
        positions = self.situations.slates[self.situations.left[number]].reshape(-1)
        return np.asarray((positions[:, None] == np.arange(self.situations.items.shape[1])).astype(np.float64))

    def _chosen(self, node: _Node, number: int) -> Floats:
        """(u, s', k) probability that each place of each slate is taken.

        Sums over all sets of places that a user may look at; multinomial logit among those, and nothing as an option.
        """
        choice = self.parameters.choice
        burden = np.matmul(self.genres, node.satiation[:, :, None])[:, :, 0]  # (u, p)
        attraction = np.exp(self.log_odds / choice.temperature - choice.satiation_weight * burden)
        drawn: Floats = attraction[:, self.situations.slates[self.situations.left[number]]]  # (u, s', k)
        k = drawn.shape[2]
        looks = (1.0 / (1.0 + np.arange(k))) ** self.parameters.examination.decay
        chosen, outside = np.zeros_like(drawn), np.exp(choice.outside)
        for seen in product((False, True), repeat=k):
            probability = np.prod(np.where(seen, looks, 1 - looks))
            if probability > 0 and any(seen):
                places = np.flatnonzero(seen)
                total = outside + sum(drawn[:, :, place] for place in places)
                for place in places:
                    chosen[:, :, place] += probability * drawn[:, :, place] / total
        return chosen

    def _after_nothing(self, node: _Node, probability: Floats) -> _Node:
        """The next step if nothing was taken, which has a probability (y, u)."""
        rate = self.parameters.satisfaction.miss_rate
        satisfaction = node.satisfaction * (1 - rate)
        decayed = self.parameters.satiation.decay * node.satiation
        stayed = node.stayed * self._stays(satisfaction, node.step + 1)
        return _Node(node.step + 1, node.taken, decayed, node.reached * probability, satisfaction, stayed)

    def _after(self, node: _Node, position: int, probability: Floats) -> _Node:
        """The next step if a candidate was taken."""
        rate = self.parameters.satisfaction.rate
        satisfaction = ((1 - rate) * node.satisfaction[:, None] + rate * self.levels).reshape(-1)  # (z * r,)
        rated = (node.stayed[:, :, None] * self.rating[:, position, None, :]).reshape(len(node.stayed), -1)
        return _Node(
            node.step + 1,
            (*node.taken, position),
            self.parameters.satiation.decay * node.satiation + self.genres[:, position],
            node.reached * probability,
            satisfaction,
            rated * self._stays(satisfaction, node.step + 1),
        )

    def _stays(self, satisfaction: Floats, steps: int) -> Floats:
        """(z,) probability of not leaving after so many steps."""
        leaving = self.parameters.leaving
        logit = leaving.intercept + leaving.satisfaction_weight * satisfaction
        return np.asarray(1 - expit(logit + leaving.duration_weight * np.log1p(steps)))
