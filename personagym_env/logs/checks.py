"""What can be wrong with a log: each check names the file and its first wrong row.

Shapes: d decisions, k slate places.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.logs.decisions import LoggedDecisions

TOLERANCE = 1e-5
"""How far propensities that belong together may be apart, relative to the larger one."""


@dataclass(frozen=True)
class Limits:
    """What a log's values may be."""

    n_users: int
    n_items: int
    scale: tuple[float, ...]
    reward_range: tuple[float, float]
    one_policy: bool
    """Whether one policy that does not change has shown all slates, as in a log that names its fingerprint."""


def check_decisions(decisions: LoggedDecisions, limits: Limits, where: object) -> None:
    """Hold decisions of whole episodes to what a log promises.

    Args:
        decisions: of one file.
        limits: what the values may be.
        where: the file, for errors.

    Raises:
        ValueError: something is wrong; the message names file, row and value.
    """
    checks = _Checks(decisions, limits, where)
    checks.ids()
    checks.order()
    checks.outcomes()
    checks.propensities()
    if limits.one_policy:
        checks.sums()


class _Checks:
    """Checks of one file."""

    def __init__(self, decisions: LoggedDecisions, limits: Limits, where: object) -> None:
        self.log, self.limits, self.where = decisions, limits, where

    def refuse(self, wrong: Any, expected: str, got: Any) -> None:
        """Raise ValueError if a row (d,) is wrong; `got` holds the values of all rows."""
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            value = np.asarray(got)[row].tolist()
            raise ValueError(f"{self.where}, row {row}: expected {expected}, got {value}")

    def ids(self) -> None:
        """Users and items exist, and no item stands in a slate twice."""
        log, limits = self.log, self.limits
        users, items = limits.n_users, limits.n_items
        self.refuse((log.user < 0) | (log.user >= users), f"a user id in 0..{users - 1}", log.user)
        unknown = ((log.slate < 0) | (log.slate >= items)).any(axis=1)
        self.refuse(unknown, f"item ids in 0..{items - 1}", log.slate)
        ordered = np.sort(log.slate, axis=1)
        repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        self.refuse(repeated, "distinct items in a slate", log.slate)

    def order(self) -> None:
        """Episodes rise, their steps count from 0, belong to one user and end once, in their last row."""
        log = self.log
        begins = np.append(True, log.episode[1:] != log.episode[:-1])
        falls = np.append(False, log.episode[1:] < log.episode[:-1])
        self.refuse(falls, "episodes in rising order (rows shuffled?)", log.episode)
        expected = np.arange(len(log)) - log.first[log.session]
        self.refuse(log.step != expected, "steps that count from 0 in each episode (rows shuffled or lost?)", log.step)
        other = np.append(False, log.user[1:] != log.user[:-1]) & ~begins
        self.refuse(other, "one user in an episode", log.user)
        ends, last = log.terminated | log.truncated, np.append(begins[1:], True)
        self.refuse(last & ~ends, "the last decision of an episode to be terminated or truncated", ends)
        self.refuse(ends & ~last, "no decisions after the end of an episode", log.episode)

    def outcomes(self) -> None:
        """Clicks are places, ratings exist, rewards lie in their range."""
        log, k = self.log, self.log.slate.shape[1]
        self.refuse((log.click_place < -1) | (log.click_place >= k), f"a place in -1..{k - 1}", log.click_place)
        exists = np.isin(log.rating, np.asarray(self.limits.scale, np.float32))
        wrong = np.where(log.click_place >= 0, ~exists, log.rating != 0)
        self.refuse(wrong, f"a rating of {self.limits.scale} with a click, and 0 without", log.rating)
        low, high = self.limits.reward_range
        outside = ~((log.reward >= low - 1e-9) & (log.reward <= high + 1e-9))  # NaN is outside too
        self.refuse(outside, f"a reward in {low:g}..{high:g}", log.reward)

    def propensities(self) -> None:
        """They are probabilities, and those of parts of a slate fit that of the whole."""
        joint, prefix, marginal, error = self.log.propensities
        self._probabilities("propensity", joint[:, None])
        if np.isnan(prefix).all() and np.isnan(marginal).all():
            return
        self._probabilities("prefix", prefix)
        self._probabilities("marginal", marginal)
        longer = (prefix[:, 1:] > prefix[:, :-1] * (1 + TOLERANCE)).any(axis=1)
        self.refuse(longer, "prefix propensities that fall from place to place", prefix)
        whole = np.abs(prefix[:, -1] - joint) > TOLERANCE * joint
        self.refuse(
            whole, "the last prefix propensity to be that of the slate", np.column_stack([prefix[:, -1], joint])
        )
        loose = TOLERANCE * marginal + 5 * error
        first = np.abs(prefix[:, 0] - marginal[:, 0]) > loose[:, 0]
        self.refuse(first, "equal prefix and marginal at the first place", np.column_stack([prefix, marginal]))
        below = (marginal + loose < prefix).any(axis=1)
        self.refuse(below, "marginals of at least the prefix that they contain", np.column_stack([prefix, marginal]))

    def sums(self) -> None:
        """At the start of an episode a policy knows the user alone, so propensities of what it shows sum to 1 at most.

        Those of whole slates, and those of the items at the first place.
        """
        log = self.log
        self._opening_sums("opening slates", log.slate, log.propensities.joint)
        if not np.isnan(log.propensities.prefix).any():
            self._opening_sums("items at the first place", log.slate[:, :1], log.propensities.prefix[:, 0])

    def _opening_sums(self, what: str, shown: IntArray, propensity: FloatArray) -> None:
        """Of what is shown (d, k) with a propensity (d,)."""
        log = self.log
        openings = np.flatnonzero(log.step == 0)
        _, first, which = np.unique(
            np.column_stack([log.user, shown])[openings], axis=0, return_index=True, return_inverse=True
        )
        rows, which = openings[first], which.reshape(-1)
        wrong = np.zeros(len(log), np.bool_)
        wrong[openings] = np.abs(propensity[openings] - propensity[rows][which]) > TOLERANCE * propensity[openings]
        pairs = np.column_stack([propensity, propensity])
        pairs[openings, 1] = propensity[rows][which]
        self.refuse(wrong, f"one propensity wherever a user is shown the same {what}", pairs)
        total = np.zeros(len(log))
        total[rows] = np.bincount(log.user[rows], propensity[rows])[log.user[rows]]
        self.refuse(total > 1 + TOLERANCE, f"propensities of a user's {what} that sum to at most 1", total)

    def _probabilities(self, name: str, values: FloatArray) -> None:
        wrong = ~((values > 0) & (values <= 1 + TOLERANCE)).all(axis=1)
        self.refuse(wrong, f"`{name}` above 0 and at most 1", values)
