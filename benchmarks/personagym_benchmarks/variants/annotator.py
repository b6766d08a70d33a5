"""A recommender optimised for the satisfaction of slates against one optimised for clicks: what both are really worth.

Both weigh the same opinions (a rating by means, one by neighbours, popularity, co-consumption) and are optimised by the
cross-entropy method (Rubinstein 1999) for what simulated users expect of their opening slates. Real worth is the mean
rating of the best five of each user's held-out items, and what is found of them among everything.
"""

from collections.abc import Callable

import numpy as np

from personagym_agents.variants.annotator import AnnotatingUsers, fit_annotator
from personagym_benchmarks.variants.board import Measurement
from personagym_env.collaborative.affinity import fit_affinity
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.neighbours import fit_neighbours
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples
from personagym_env.session.kernel import normalised_ratings

OPINIONS = ("rating by means", "rating by neighbours", "popularity", "co-consumption")
USERS, PLACES, PICKS, LEAST = 200, 10, 5, 10
SAMPLES, ELITE, ROUNDS = 32, 6, 12
RESAMPLES = 500


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Weights that each reward leads to, and the real worth of both."""
    train, test = part.split
    rng = np.random.default_rng(seed)
    room = np.flatnonzero(train.n_items - train.counts >= PLACES)
    users = rng.permutation(room)[:USERS]
    opinions = _opinions(train, np.arange(train.n_users))
    seen = train.matrix(np.ones(len(train), np.float32)).toarray() > 0
    values, found = {}, []
    weights = user_resamples(train.n_users, RESAMPLES, rng)
    for core, name in ((True, "satisfaction"), (False, "clicks")):
        annotator = fit_annotator(dataset, train, core=core, seed=seed)
        chosen = _optimised(_reward(annotator, opinions[users], seen[users], users), seed)
        for opinion, weight in zip(OPINIONS, chosen, strict=True):
            point = Interval(float(weight), np.nan, np.nan)
            found.append(Measurement("weights of length 1", f"optimised for {name}", opinion, point))
        values[name] = _worth(opinions @ chosen, seen, test)
    for figure in values["satisfaction"]:
        samples = {name: worth[figure].resampled(weights) for name, worth in values.items()}
        for name, sample in samples.items():
            found.append(Measurement("real worth", f"optimised for {name}", figure, interval(sample)))
        gap = interval(samples["satisfaction"] - samples["clicks"])
        found.append(Measurement("real worth", "satisfaction less clicks", figure, gap))
    return found


def _opinions(train: Interactions, users: IntArray) -> FloatArray:
    """(u, m, 4) float32, standardised for each user."""
    popularity = np.log1p(np.bincount(train.items, minlength=train.n_items))
    means = fit_factors(train, FactorSettings(rank=0)).predict(users).mean
    columns = (
        means,
        fit_neighbours(train).predict(users).mean,
        np.broadcast_to(popularity, means.shape),
        fit_affinity(train).log_affinity(users),
    )
    told = np.stack(columns, axis=-1).astype(np.float32)
    return np.asarray((told - told.mean(axis=1, keepdims=True)) / np.maximum(told.std(axis=1, keepdims=True), 1e-6))


def _best(scores: FloatArray, hidden: np.ndarray, k: int) -> IntArray:
    """(n, k) best items that are not hidden, best first."""
    left = np.where(hidden, -np.inf, scores)
    some = np.argpartition(-left, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(left, some, axis=1), axis=1)
    return np.asarray(np.take_along_axis(some, order, axis=1))


def _reward(
    annotator: AnnotatingUsers, opinions: FloatArray, seen: np.ndarray, users: IntArray
) -> Callable[[FloatArray], float]:
    """From weights (4,) to the mean annotation of the slates that they lead to."""
    return lambda weights: float(annotator.annotate(users, _best(opinions @ weights, seen, PLACES)).mean())


def _optimised(reward: Callable[[FloatArray], float], seed: int) -> FloatArray:
    """(4,) weights of length 1, by the cross-entropy method."""
    rng = np.random.default_rng(seed)
    mean, spread = np.full(len(OPINIONS), 0.5), np.full(len(OPINIONS), 1.0)
    for _ in range(ROUNDS):
        drawn = mean + spread * rng.normal(size=(SAMPLES, len(OPINIONS)))
        drawn /= np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-9)  # only the direction ranks
        best = drawn[np.argsort([-reward(one) for one in drawn])[:ELITE]]
        mean, spread = best.mean(axis=0), best.std(axis=0) + 0.02
    return np.asarray(mean / np.linalg.norm(mean))


def _worth(scores: FloatArray, seen: np.ndarray, test: Interactions) -> dict[str, RatioOfSums]:
    """By users with enough held-out items: rating of the picks, share found, and stars found."""
    users = np.flatnonzero(test.counts >= LEAST)
    own = test.matrix(np.ones(len(test), np.float32)).toarray()[users] > 0
    value = test.matrix(normalised_ratings(test.scale)[test.rating_index]).toarray()[users]
    rated = test.matrix().toarray()[users]
    picks = _best(scores[users], ~own, PICKS)
    slate = _best(scores[users], seen[users], PLACES)
    hits = np.take_along_axis(own, slate, axis=1)
    figures = {
        f"mean rating of {PICKS} picks among held-out items": np.take_along_axis(rated, picks, axis=1).mean(axis=1),
        f"held-out items among {PLACES} of everything": hits.sum(axis=1).astype(np.float64),
        "their ratings, in shares of the scale, added up": np.take_along_axis(value, slate, axis=1).sum(axis=1),
    }
    return {name: RatioOfSums.of_users(users, values, test.n_users) for name, values in figures.items()}
