"""A logging policy as a mixture of guesses, by likelihood of what people consumed next.

No log says who was shown what. Each guess is a softmax over the items that a user has not consumed, and what is
consumed is what was shown and wanted: the chance of showing times the odds of choosing. Without the odds, tastes would
count twice, once in the slates and once more in the users who choose from them. Shares of guesses are found by
expectation and maximisation (Dempster, Laird and Rubin 1977); the likelihood of later training rows is concave in them,
so that there is one best mixture. Shapes: r rows, g guesses, n users, m items.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, logsumexp

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.evaluation.core.data_overlap import unknown_items
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.evaluation.validation.logging_policies import Logits
from personagym_env.protocols import Observation

HALF_LIFE = 0.1
"""Share of a log's time after which a row counts half in `recency_logits`."""
_USERS_AT_ONCE = 256
_ROUNDS = 200


class Guess(NamedTuple):
    """One way to choose what is shown."""

    name: str
    logits: Logits


@dataclass(frozen=True)
class PolicyMixture:
    """Shares of guesses, and how likely they make what was consumed next."""

    names: tuple[str, ...]
    shares: tuple[float, ...]
    likelihood: float
    """Mean log likelihood of a row, in nats."""
    alone: tuple[float, ...]
    """The same of each guess alone."""

    @property
    def description(self) -> str:
        """Shares, and what the mixture gains over the best single guess."""
        told = ", ".join(f"{share:.0%} {name}" for name, share in zip(self.names, self.shares, strict=True) if share)
        gain = self.likelihood - max(self.alone)
        return f"slates drawn from {told}; the shares make the latest training rows likeliest ({gain:.3f} nats a row)"


def recency_logits(train: Interactions, half_life: float = HALF_LIFE) -> Logits:
    """In proportion to how often an item was consumed of late: a row of age t weighs 1/2 to the t over the half-life.

    Args:
        train: rows with times.
        half_life: as a share of the time that the log spans.

    Raises:
        ValueError: the log has no times.
    """
    if train.timestamps is None:
        raise ValueError("recency needs times, and the log has none")
    age = (train.timestamps.max() - train.timestamps) / max(1, int(np.ptp(train.timestamps)))
    weights = np.bincount(train.items, 0.5 ** (age / half_life), train.n_items)
    logits = np.log(weights + max(weights.mean() * 1e-3, 1e-9))
    return lambda observation: np.broadcast_to(logits, (len(observation["user"]), len(logits)))


def mixture_logits(guesses: Sequence[Guess], shares: Sequence[float], train: Interactions) -> Logits:
    """Log chance of each item under the mixture; each guess is spread over what a user has not consumed in `train`."""
    fresh = unknown_items(train)
    kept = [(guess, float(np.log(share))) for guess, share in zip(guesses, shares, strict=True) if share > 0]

    def logits(observation: Observation) -> FloatArray:
        allowed = fresh(observation["user"])
        parts = [share + _log_chance(guess, observation, allowed) for guess, share in kept]
        return np.asarray(logsumexp(parts, axis=0))

    return logits


def fit_mixture(
    guesses: Sequence[Guess], inner: Split, catalogue: Catalogue, odds: Logits | None = None
) -> PolicyMixture:
    """Shares of guesses that make later training rows likeliest.

    Args:
        guesses: learned from `inner.train` alone.
        inner: a split of training rows.
        catalogue: the items.
        odds: log odds (n, m) with which users choose what they are shown; None for users who take anything.

    Raises:
        ValueError: there are no guesses, or no row of `inner.test` could have been shown.
    """
    if not guesses:
        raise ValueError("a mixture needs at least one guess")
    chances = _chances(guesses, inner, catalogue, odds)  # (r, g) log chance of each row
    if not len(chances):
        raise ValueError("the shares of a mixture are fitted on later training rows, and there are none")
    shares = np.full(len(guesses), 1 / len(guesses))
    for _ in range(_ROUNDS):
        joint = chances + np.log(np.maximum(shares, 1e-300))
        shares = np.exp(joint - logsumexp(joint, axis=1, keepdims=True)).mean(axis=0)
    shares = np.where(shares < 5e-4, 0.0, shares)
    shares /= shares.sum()
    with np.errstate(divide="ignore"):
        likelihood = float(logsumexp(chances + np.log(shares), axis=1).mean())
    return PolicyMixture(
        tuple(guess.name for guess in guesses),
        tuple(map(float, shares)),
        likelihood,
        tuple(map(float, chances.mean(axis=0))),
    )


def _chances(guesses: Sequence[Guess], inner: Split, catalogue: Catalogue, odds: Logits | None) -> FloatArray:
    """(r, g) log chance that each guess, and users who choose, give to each row of `inner.test`."""
    train, test = inner
    profiles = profile_features(user_traits(train, catalogue))
    fresh: Callable[[IntArray], BoolArray] = unknown_items(train)
    users = np.flatnonzero(test.counts)
    found = [np.zeros((0, len(guesses)))]
    for first in range(0, len(users), _USERS_AT_ONCE):
        block = users[first : first + _USERS_AT_ONCE]
        observation, allowed = opening_observation(block, profiles, 1), fresh(block)
        rows = np.flatnonzero(np.isin(test.users, block))
        place = np.searchsorted(block, test.users[rows]), test.items[rows]
        shown = allowed[place]
        taste = np.zeros(allowed.shape) if odds is None else odds(observation)
        chance = [_log_chance(guess, observation, allowed, taste)[place][shown] for guess in guesses]
        found.append(np.stack(chance, axis=1))
    return np.concatenate(found)


def _log_chance(
    guess: Guess, observation: Observation, allowed: BoolArray, taste: FloatArray | float = 0.0
) -> FloatArray:
    """(n, m) log chance of each item among the allowed ones to be shown and, with a taste (n, m), taken."""
    return np.asarray(log_softmax(np.where(allowed, guess.logits(observation) + taste, -np.inf), axis=1))
