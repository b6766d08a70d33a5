"""`drifting`: users whose preferences are a process that moves with every consumption and is read through noise.

After PersonaGym / PersonaAtlas (arXiv 2602.12394), where personas have a preference process that is revealed and drifts
over turns, and a distractor blurs answers. Here it is a state-space model over the item factors of matrix
factorisation: a rating is `mean + b_i + x_i . z_t + noise`, with x_i the item's factors and 1, and

    z_(t+1) = a z_t + (1 - a^2)^(1/2) S^(1/2) w,  a^2 = 1 - drift,   (an Ornstein-Uhlenbeck process, prior N(0, S))

one step per consumption, filtered in closed form (Kalman 1960). With probability `distractor` an answer says nothing of
the preference: it is any rating alike, and moves the state by the chance that it was no distraction. Drift and
distractor are chosen by the likelihood of each user's late training rows, one row ahead. The twin is the same with no
drift. Left out: personas drawn from a list of features; those here are people of a log.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from personagym_agents.variants.evolving import EvolvingUsers, Standing, fit_evolving, replayed
from personagym_env.collaborative.affinity import AffinityModel, fit_affinity
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions

DRIFTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
DISTRACTORS = (0.0, 0.05, 0.15, 0.25)
"""What the likelihood chooses from."""
_INNER_SHARE = 0.8
"""Of each user's training rows, behind which the late ones lie that choose."""


@dataclass(frozen=True, eq=False)
class Process:
    """The preference process of all users. D: factors and a bias. A state is its mean (D,) and covariance (D, D)."""

    global_mean: float
    items: FloatArray
    """(m, D) factors, then 1."""
    item_bias: FloatArray
    """(m,)"""
    prior: FloatArray
    """(D,) variances of the stationary law, which users without rows have."""
    noise: float
    """Variance of an undistracted answer."""
    width: float
    """Rating points over which a distracted answer is spread alike."""
    drift: float
    distractor: float
    affinity: AffinityModel
    opening: FloatArray
    """(u, D + D D) states in which sessions open."""

    def begin(self, users: IntArray) -> FloatArray:
        """See `EvolvingModel.begin`."""
        return self.opening[users]

    def standing(self, users: IntArray, state: FloatArray) -> Standing:
        """See `EvolvingModel.standing`."""
        size = len(self.prior)
        mean = self.global_mean + self.item_bias + state[:, :size] @ self.items.T
        squares = (self.items[:, :, None] * self.items[:, None, :]).reshape(len(self.items), -1)
        variance = np.maximum(state[:, size:] @ squares.T, 0)
        opinion = Opinion(mean.astype(np.float32), variance.astype(np.float32))
        return Standing(opinion, self.affinity.log_affinity(users)[..., None])

    def after(self, users: IntArray, state: FloatArray, items: IntArray, ratings: FloatArray) -> FloatArray:
        """See `EvolvingModel.after`: what the answers say, then one step of the process."""
        size = len(self.prior)
        mean, covariance = state[:, :size], state[:, size:].reshape(-1, size, size)
        error, variance, spread = self._innovation(state, items, ratings)
        true, noise = self._densities(error, variance)
        heard = (true / (true + noise))[:, None]
        move = spread / variance[:, None]
        step = move * error[:, None]
        told = np.einsum("bi,bj->bij", spread, move)
        # Moments of the mixture of having learned and having been distracted.
        doubt = np.einsum("bi,bj->bij", step, step) * (heard * (1 - heard))[..., None]
        covariance = covariance - heard[..., None] * told + doubt
        mean = np.sqrt(1 - self.drift) * (mean + heard * step)
        covariance = (1 - self.drift) * covariance + self.drift * np.diag(self.prior)
        return np.concatenate([mean, covariance.reshape(len(mean), -1)], axis=1)

    def log_likelihood(self, state: FloatArray, items: IntArray, ratings: FloatArray) -> FloatArray:
        """(b,) log density of ratings (b,) of items (b,), in rating points."""
        error, variance, _ = self._innovation(state, items, ratings)
        return np.asarray(np.log(sum(self._densities(error, variance))))

    def _innovation(
        self, state: FloatArray, items: IntArray, ratings: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Errors (b,) of the expected ratings, their variances (b,), and covariance times factors (b, D)."""
        size = len(self.prior)
        factors = self.items[items]
        expected = self.global_mean + self.item_bias[items] + (state[:, :size] * factors).sum(axis=1)
        spread = np.einsum("bij,bj->bi", state[:, size:].reshape(-1, size, size), factors)
        return ratings - expected, (spread * factors).sum(axis=1) + self.noise, spread

    def _densities(self, error: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(b,) density of an answer that tells the preference, and that of one that does not."""
        told = (1 - self.distractor) * np.exp(-0.5 * error**2 / variance) / np.sqrt(2 * np.pi * variance)
        return np.maximum(told, 1e-12), np.full_like(error, self.distractor / self.width)


def fit_process(log: Interactions, drift: float, distractor: float, settings: FactorSettings | None = None) -> Process:
    """The process whose users know a log."""
    return _restarted(_ground(log, settings), log, drift, distractor)


def _ground(log: Interactions, settings: FactorSettings | None) -> Process:
    """Item factors and the stationary law; nobody has a history yet."""
    factors = fit_factors(log, settings)
    dimension = factors.users.shape[1]
    left, right = np.triu_indices(dimension)
    second = factors.user_moments[:, left == right].astype(np.float64).mean(axis=0)[:-1]
    gap = float(np.diff(log.scale).min()) if len(log.scale) > 1 else 1.0
    return Process(
        factors.global_mean,
        factors.items[:, :-1].astype(np.float64),
        factors.item_bias.astype(np.float64),
        np.maximum(second, 1e-6),
        factors.noise,
        log.scale[-1] - log.scale[0] + gap,
        0.0,
        0.0,
        fit_affinity(log),
        np.zeros((log.n_users, 0)),
    )


def _restarted(process: Process, log: Interactions, drift: float, distractor: float) -> Process:
    """The same items with another law, behind a log."""
    chosen = replace(process, drift=drift, distractor=distractor)
    stationary = np.concatenate([np.zeros(len(process.prior)), np.diag(process.prior).ravel()])
    return replace(chosen, opening=replayed(chosen, log, np.tile(stationary, (log.n_users, 1))))


def late_log_likelihood(process: Process, late: Interactions) -> FloatArray:
    """(n,) log density of each row of a later log, told one row ahead: every row is heard before the next is asked."""
    state, found = process.opening.copy(), np.zeros(len(late))
    people = np.argsort(-late.counts, kind="stable")
    for place in range(int(late.counts.max(initial=0))):
        active = people[: int((late.counts > place).sum())]
        rows = late.indptr[active] + place
        items, ratings = late.items[rows], late.ratings[rows].astype(np.float64)
        found[rows] = process.log_likelihood(state[active], items, ratings)
        state[active] = process.after(active, state[active], items, ratings)
    return found


def choose_law(train: Interactions, *, drifts: tuple[float, ...] = DRIFTS) -> tuple[float, float]:
    """Drift and distractor under which each user's late training rows are likeliest."""
    inner = temporal_split(train, _INNER_SHARE)
    if not len(inner.test):
        return 0.0, 0.0
    ground = _ground(inner.train, None)
    laws = [(drift, distractor) for drift in drifts for distractor in DISTRACTORS]
    return max(laws, key=partial(_likelihood, ground, inner))


def _likelihood(ground: Process, inner: Split, law: tuple[float, float]) -> float:
    return float(late_log_likelihood(_restarted(ground, inner.train, *law), inner.test).mean())


def fit_drifting(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> EvolvingUsers:
    """Users with a drifting preference; with `core` off, with one that stays.

    Raises:
        ValueError: `train` is empty.
    """
    name = "drifting" if core else "drifting, still"
    if not len(train):
        raise ValueError(f"{name} users need at least one training row, got an empty log")
    law = choose_law(train, drifts=DRIFTS if core else (0.0,))
    return fit_evolving(name, lambda log: fit_process(log, *law), train, seed=seed, recipe=repr(law))
