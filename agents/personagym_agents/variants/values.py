"""Users with values: statements read off their ratings, each kept only if it raises the likelihood of other ratings.

Source: user values mining (arXiv:2505.00981): a language model states values from summaries of behaviour; evaluators
and supervisors throw out what the behaviour does not bear out.

Formula: r_j is a rating less what user and item mean to other rows, x_jc what is true of its item in respect c, in
standard deviations (a genre, year, popularity, mean rating). A third of a user's rows is read: b_c = sum x r / (sum
x^2 + PRIOR) is stated where |b_c| >= LEAST. The evaluator keeps it if sum r^2 - (r - b_c x)^2 > 0 over the second
third. The supervisor looks at respects, not at users: one whose kept statements lose on the last third is dropped for
all. What stays is weighed together, on all rows, by a ridge regression for each user. Without the core all that was
stated stays.

What differs: statements are slopes with words, and likelihoods are Gaussian, where the original asks a language model
for both. What is left out: values that no column of the catalogue speaks of.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from personagym_agents.classical.users import fit_users_of
from personagym_agents.personas.prediction import cross_fitted_residuals
from personagym_agents.variants.histories import Floats
from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.tables import BoolArray, Catalogue, Dataset, FloatArray, IntArray, Interactions
from personagym_env.protocols import UserAgent

PRIOR = 40.0
"""Rows at no value that every slope is shrunk by; of 20 and 40, with `LEAST` of .02, .05 and .1, best on each user's
last fifth of the training rows of ML-100K."""
LEAST = 0.05
"""Rating points for a standard deviation from which on a slope is stated."""
_READ, _EVALUATED, _AUDITED = range(3)
_FARTHEST = 3.0
"""Standard deviations beyond which a respect says no more."""


@dataclass(frozen=True, eq=False, repr=False)
class Respects:
    """What may be valued in items."""

    names: tuple[str, ...]
    """(c,)"""
    values: FloatArray
    """(m, c) of mean 0 and deviation 1 over the rows."""

    @classmethod
    def of(cls, log: Interactions, catalogue: Catalogue) -> "Respects":
        """Genres, year, popularity and mean rating; respects in which all rows are alike are left out."""
        years = np.where(catalogue.years > 0, catalogue.years, np.median(catalogue.years))
        popularity = np.log1p(np.bincount(log.items, minlength=log.n_items))
        liked = fit_factors(log, FactorSettings(rank=0)).item_bias
        raw = np.column_stack([catalogue.genres, years, popularity, liked]).astype(np.float64)
        told = raw[log.items]
        kept = told.std(axis=0) > 1e-9
        values = (raw - told.mean(axis=0))[:, kept] / told.std(axis=0)[kept]
        names = np.array([*catalogue.genre_names, "what is new", "what many know", "what others like"])
        return cls(tuple(names[kept].tolist()), np.clip(values, -_FARTHEST, _FARTHEST))


@dataclass(frozen=True, eq=False, repr=False)
class Values:
    """Statements about users: respect c of user u."""

    respects: Respects
    slopes: FloatArray
    """(u, c) as read off a third of the rows."""
    stated: BoolArray
    """(u, c)"""
    evaluated: BoolArray
    """(u, c) those that the evaluator keeps."""
    kept: BoolArray
    """(u, c) those that the supervisor leaves."""

    def words(self, user: int) -> tuple[str, ...]:
        """The statements about a user that were kept, the strongest first."""
        slopes = self.slopes[user]
        order = [c for c in np.argsort(-np.abs(slopes)) if self.kept[user, c]]
        return tuple(f"{'likes' if slopes[c] > 0 else 'dislikes'} {self.respects.names[c]}" for c in order)


@dataclass(frozen=True, eq=False, repr=False)
class ValuesModel:
    """A `RatingModel`: what user and item mean, and what the user values in the item."""

    bias: FactorModel
    respects: Floats
    """(m, c)"""
    weights: Floats
    """(u, c) rating points for a standard deviation."""

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`; the variance is that of the means."""
        opinion = self.bias.predict(users)
        return Opinion(opinion.mean + self.weights[users] @ self.respects.T, opinion.variance)

    def means_at(self, users: IntArray, items: IntArray) -> Floats:
        """(n,) see `RatingModel.means_at`."""
        valued = np.einsum("nc,nc->n", self.weights[users], self.respects[items])
        return np.asarray(self.bias.means_at(users, items) + valued, np.float32)


def find_values(log: Interactions, catalogue: Catalogue, seed: int, prior: float = PRIOR) -> tuple[Values, FloatArray]:
    """State, evaluate and supervise; also (n,) the residuals that values are read off.

    Args:
        log: training rows.
        catalogue: of their items.
        seed: deals the rows.
        prior: rows at no value that every slope is shrunk by.

    Raises:
        ValueError: the log has no rows.
    """
    rng = np.random.default_rng(seed)
    residual = cross_fitted_residuals(log, rng.permutation(len(log)) % 5)
    part = rng.permutation(len(log)) % 3
    respects = Respects.of(log, catalogue)
    told = respects.values[log.items]

    def summed(values: FloatArray, inside: int) -> FloatArray:
        """(u, c) sums over each user's rows of a part."""
        rows = np.where((part == inside)[:, None], values, 0)
        padded = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
        return np.asarray(padded[log.indptr[1:]] - padded[log.indptr[:-1]])

    products, squares = told * residual[:, None], told**2
    slopes = summed(products, _READ) / (summed(squares, _READ) + prior)

    def gains(inside: int) -> FloatArray:
        """(u, c) by how much squared errors fall over a part, if a statement is believed."""
        return np.asarray(2 * slopes * summed(products, inside) - slopes**2 * summed(squares, inside))

    stated = np.abs(slopes) >= LEAST
    evaluated = stated & (gains(_EVALUATED) > 0)
    trusted = (gains(_AUDITED) * evaluated).sum(axis=0) > 0
    return Values(respects, slopes, stated, evaluated, evaluated & trusted), residual


def weigh_values(
    log: Interactions, residual: FloatArray, respects: Respects, chosen: BoolArray, prior: float = PRIOR
) -> Floats:
    """(u, c) weights of chosen statements (u, c) by ridge regression on each user's rows, 0 for the others."""
    width = len(respects.names)
    weights = np.zeros((log.n_users, width), np.float32)
    for user in np.flatnonzero(chosen.any(axis=1)):
        rows = slice(log.indptr[user], log.indptr[user + 1])
        columns = np.flatnonzero(chosen[user])
        told = respects.values[log.items[rows]][:, columns]
        gram = told.T @ told + prior * np.eye(len(columns))
        weights[user, columns] = np.linalg.solve(gram, told.T @ residual[rows])
    return weights


def fit_values_model(log: Interactions, catalogue: Catalogue, *, core: bool, seed: int) -> ValuesModel:
    """The rating model of users who hold the kept values, or all that were stated."""
    values, residual = find_values(log, catalogue, seed)
    weights = weigh_values(log, residual, values.respects, values.kept if core else values.stated)
    bias = fit_factors(log, FactorSettings(rank=0))
    return ValuesModel(bias, values.respects.values.astype(np.float32), weights)


def fit_values(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> UserAgent:
    """Fit the users; they need no device.

    Args:
        dataset: genres and years of items.
        train: rows that the users may know.
        core: statements are evaluated and supervised; all of them are believed without it.
        seed: deals the rows.
        device: not used.

    Raises:
        ValueError: `train` is empty.
    """
    catalogue = dataset.catalogue
    told = (core, catalogue.years.tolist(), catalogue.genres.tolist())
    fit = partial(fit_values_model, catalogue=catalogue, core=core, seed=seed)
    return fit_users_of("values", fit, train, told=told, seed=seed)
