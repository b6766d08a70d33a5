"""A drifting preference: likelihood of held-out rows one row ahead, and recovery of drifts that were planted."""

from dataclasses import replace

import numpy as np

from personagym_agents.variants.drifting import Process, choose_law, fit_process, late_log_likelihood
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import BoolArray, Dataset, FloatArray, Interactions
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples

RESAMPLES = 500
PLANTED = (0.0, 0.003, 0.03)
THIRDS = ("first third", "middle third", "last third")


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """The chosen law against the best one without drift, on held-out rows; and planted laws found again."""
    train, test = part.split
    laws = choose_law(train), choose_law(train, drifts=(0.0,))
    moving, still = (fit_process(train, *law) for law in laws)
    gain = late_log_likelihood(moving, test) - late_log_likelihood(still, test)
    weights = user_resamples(train.n_users, RESAMPLES, np.random.default_rng(seed))

    def gained(setting: str, rows: BoolArray) -> Measurement:
        mean = RatioOfSums.of_users(test.users[rows], gain[rows], train.n_users)
        words = "log likelihood per row, drift less none"
        return Measurement("held-out rows, told one row ahead", setting, words, interval(mean.resampled(weights)))

    third = np.minimum(3 * test.rank_in_user // np.maximum(test.counts[test.users], 1), 2)
    found = [
        _point("chosen law", "training rows", "drift per consumption", laws[0][0]),
        _point("chosen law", "training rows", "chance of a distracted answer", laws[0][1]),
        gained("all", np.ones(len(test), np.bool_)),
        *(gained(f"{words} of each user's", third == number) for number, words in enumerate(THIRDS)),
    ]
    rng = np.random.default_rng(seed)
    for drift in PLANTED:
        found += _recovery(replace(moving, drift=drift, distractor=0.05), train, rng)
    return found


def _point(question: str, setting: str, figure: str, value: float) -> Measurement:
    return Measurement(question, setting, figure, Interval(value, np.nan, np.nan))


def _recovery(process: Process, train: Interactions, rng: np.random.Generator) -> list[Measurement]:
    """What is found again where the log's users, items and order have ratings of a known process."""
    log, last = _simulated(process, train, rng)
    drift, distractor = choose_law(log)
    setting = f"planted drift {process.drift:g}"
    found = [_point("recovery of a planted drift", setting, "drift that is chosen", drift)]
    for words, chosen in (("with drift", drift), ("without", 0.0)):
        fitted = fit_process(log, chosen, distractor)
        # Factors are known up to a rotation, so tastes are compared by what they say of items.
        said = fitted.opening[:, : len(fitted.prior)] @ fitted.items.T
        true = last @ process.items.T
        own = [_correlation(said[user], true[user]) for user in np.flatnonzero(log.counts)]
        figure = f"correlation of the last taste with the planted one, {words}"
        found.append(_point("recovery of a planted drift", setting, figure, float(np.mean(own))))
    return found


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """0 where one of them is the same everywhere."""
    return float(np.corrcoef(one, other)[0, 1]) if min(one.std(), other.std()) > 1e-9 else 0.0


def _simulated(process: Process, train: Interactions, rng: np.random.Generator) -> tuple[Interactions, FloatArray]:
    """The log with ratings of the process, and (u, D) the taste with which each user ends."""
    ratings = np.zeros(len(train))
    taste = rng.normal(size=(train.n_users, len(process.prior))) * np.sqrt(process.prior)
    scale = np.asarray(train.scale)
    for place in range(int(train.counts.max(initial=0))):
        active = np.flatnonzero(train.counts > place)
        rows = train.indptr[active] + place
        items = train.items[rows]
        mean = process.global_mean + process.item_bias[items] + (taste[active] * process.items[items]).sum(axis=1)
        felt = mean + rng.normal(0, np.sqrt(process.noise), len(rows))
        felt = np.where(rng.random(len(rows)) < process.distractor, rng.choice(scale, len(rows)), felt)
        ratings[rows] = scale[np.abs(felt[:, None] - scale).argmin(axis=1)]
        step = rng.normal(size=(len(active), len(process.prior))) * np.sqrt(process.drift * process.prior)
        taste[active] = np.sqrt(1 - process.drift) * taste[active] + step
    return replace(train, ratings=ratings.astype(train.ratings.dtype)), taste
