"""Opening slates written down: every slate that a policy can open a session with, its propensity, what it earns.

Where candidates are few, the value of a policy's first decision needs no simulation, and neither do expectations over
its slates. Shapes: u users, p candidates of each, s slates of k places, f features.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.evaluation.off_policy.decisions import Floats
from personagym_env.protocols import StochasticRecommender, rows_of
from personagym_env.session.kernel import choice_log_odds
from personagym_env.world import World

_BLOCK = 8_192
"""Slates whose propensities are asked for at once."""


@dataclass(frozen=True, eq=False)
class OpeningTable:
    """A policy's propensities for every user's opening slates."""

    joint: Floats
    """(u, s)"""
    prefix: Floats
    """(u, s, k)"""
    marginal: Floats
    """(u, s, k)"""

    @classmethod
    def of(
        cls, policy: StochasticRecommender, profiles: FloatArray, items: IntArray, positions: IntArray
    ) -> "OpeningTable":
        """Ask a policy about all slates of every user's candidates.

        Args:
            policy: fitted.
            profiles: (u, f) profile features of all users.
            items: (u, p) candidates.
            positions: (s, k) from `all_slates`.
        """
        u, (s, k) = len(items), positions.shape
        owner, which = np.repeat(np.arange(u), s), np.tile(np.arange(s), u)
        found = []
        for begin in range(0, u * s, _BLOCK):
            part = slice(begin, begin + _BLOCK)
            users, row = np.unique(owner[part], return_inverse=True)
            observation = rows_of(opening_observation(users, profiles, 1), row)
            slates = np.take_along_axis(items[owner[part]], positions[which[part]], axis=1)
            found.append(policy.propensities(observation, slates))
        joint, prefix, marginal = (
            np.concatenate([np.asarray(one[column], np.float64) for one in found]) for column in range(3)
        )
        return cls(joint.reshape(u, s), prefix.reshape(u, s, k), marginal.reshape(u, s, k))

    def expectation(self, features: Floats) -> Floats:
        """(u, f) expectation of features (u, s, f) over the policy's slates, among those in the table."""
        return np.asarray(np.einsum("us,usf->uf", self.joint, features))

    def next_place(self, positions: IntArray, features: Floats) -> Floats:
        """(u, s, k, f) expectation of each place's features over the policy's item there, given the items above.

        Args:
            positions: (s, k) of the slates.
            features: (u, s, k, f) of each place with its item and those above.
        """
        expected = np.zeros(features.shape)
        for place in range(positions.shape[1]):
            _, group = np.unique(positions[:, :place], axis=0, return_inverse=True)
            same = (group.reshape(-1)[:, None] == np.arange(group.max() + 1)).astype(np.float64)  # (s, prefixes)
            mass = self.joint @ same
            total = np.einsum("us,usf,sg->ugf", self.joint, features[:, :, place], same, optimize=True)
            mean = np.divide(total, mass[:, :, None], out=np.zeros_like(total), where=mass[:, :, None] > 0)
            expected[:, :, place] = mean[:, group.reshape(-1)]
        return expected


def opening_rewards(world: World, users: IntArray, items: IntArray, positions: IntArray) -> Floats:
    """(u, s, k) what each place of every opening slate earns in expectation, as the kernel draws it.

    Sums over all sets of places that a user may look at; multinomial logit among those, and nothing as an option.

    Args:
        world: whose users react; rewards must be for what is taken alone.
        users: (u,) internal ids.
        items: (u, p) candidates that the users have not consumed.
        positions: (s, k) from `all_slates`.

    Raises:
        ValueError: rewards are not for what is taken alone.
    """
    weights, parameters = world.parameters.reward, world.parameters
    if any((weights.leave, weights.empty, weights.retention)):
        raise ValueError("exact opening rewards need rewards for what is taken alone")
    rows = np.arange(len(users))
    sessions = world.agent.open(len(users))
    sessions.start(rows, users)
    reaction = sessions.react(rows, items)
    attraction = np.exp(choice_log_odds(reaction.choice_probability) / parameters.choice.temperature)  # (u, p)
    worth = weights.click + weights.rating * (reaction.rating @ world.dynamics.normalised_rating)  # (u, p)
    drawn = attraction[:, positions].astype(np.float64)  # (u, s, k)
    k = positions.shape[1]
    looks = (1.0 / (1.0 + np.arange(k))) ** parameters.examination.decay
    chosen = np.zeros(drawn.shape)
    for seen in product((0.0, 1.0), repeat=k):
        mask = np.array(seen)
        probability = np.prod(np.where(mask > 0, looks, 1 - looks))
        if probability > 0:
            options = drawn * mask
            chosen += probability * options / (np.exp(parameters.choice.outside) + options.sum(axis=2, keepdims=True))
    return np.asarray(chosen * worth[:, positions])
