"""How users and items use a scale, beyond what is expected of them.

Some people never give the middle of a scale, some nothing else, whatever they rate: what questionnaires know as
response styles (Baumgartner and Steenkamp, "Response styles in marketing research", Journal of Marketing Research 38,
2001). Told for each rating, as the logarithm of how often it was given against how often a model that knows of no
styles expects it; an ordinal link multiplies its probabilities by powers of these ratios (`OrdinalLink`).

Shapes: n rows, u users, m items, r ratings.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.link import OrdinalLink, Spread, fit_link, fit_spread
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.data.tables import FloatArray, IntArray, Interactions

_USER_PRIOR, _ITEM_PRIOR = 10.0, 30.0
"""Ratings of average style that everybody's, and every item's, is shrunk by; chosen on the last fifth of the training
rows of four logs, where the error is flat between 5 and 50."""
_MOST_RATINGS = 101
"""Of a longer scale nobody has a style: that of 0 to 100 is told, one of plays or seconds is not."""
_LINK_ROWS = 20_000
"""Rows that the link of the expected counts is fitted on at most."""
_ROWS = 2**16
"""Whose expected counts are worked out at once."""


class ResponseStyle(NamedTuple):
    """Logarithms of observed to expected counts of each rating; 0 of whom nothing is known."""

    users: npt.NDArray[np.float32]
    """(u, r)"""
    items: npt.NDArray[np.float32]
    """(m, r)"""

    def at(self, users: IntArray, items: IntArray) -> npt.NDArray[np.float32]:
        """(..., 2, r) those of (...) users and (...) items."""
        return np.stack([self.users[users], self.items[items]], axis=-2)


class ScaleUse(NamedTuple):
    """How users and items use the scale of a log, against what user and item bias expect."""

    spread: Spread
    style: ResponseStyle


def fit_scale_use(log: Interactions) -> ScaleUse:
    """Read off the rows of a log.

    Raises:
        ValueError: the log has no rows.
    """
    means = _bias_means(log)
    return ScaleUse(fit_spread(log, means), _style(log, means))


def fit_response_style(log: Interactions) -> ResponseStyle:
    """Read off the rows of a log.

    Raises:
        ValueError: the log has no rows.
    """
    return _style(log, _bias_means(log))


def _bias_means(log: Interactions) -> FloatArray:
    """(n,) what user and item bias expect of the log's own rows."""
    return fit_factors(log, FactorSettings(rank=0)).means_at(log.users, log.items)


def _style(log: Interactions, means: FloatArray) -> ResponseStyle:
    size = len(log.scale)
    if size not in range(2, _MOST_RATINGS + 1):
        # Views of a single zero, which take no memory.
        return ResponseStyle(*(np.broadcast_to(np.float32(0), (n, size)) for n in (log.n_users, log.n_items)))
    share = np.bincount(log.rating_index, minlength=size) + 1.0
    share /= share.sum()
    link = _expecting_link(log, means)
    expected_users, expected_items = np.zeros((log.n_users, size)), np.zeros((log.n_items, size))
    for begin in range(0, len(log), _ROWS):
        block = slice(begin, begin + _ROWS)
        expected = link.distribution(link.location(means[block]), np.ones(len(means[block]), np.float32))
        for rating in range(size):
            expected_users[:, rating] += np.bincount(log.users[block], expected[:, rating], log.n_users)
            expected_items[:, rating] += np.bincount(log.items[block], expected[:, rating], log.n_items)
    return ResponseStyle(
        _log_ratio(log.users, log.rating_index, expected_users, _USER_PRIOR * share),
        _log_ratio(log.items, log.rating_index, expected_items, _ITEM_PRIOR * share),
    )


def _expecting_link(log: Interactions, means: FloatArray) -> OrdinalLink:
    rows = np.random.default_rng(0).permutation(len(log))[:_LINK_ROWS]
    return fit_link(means[rows], np.zeros((len(rows), 0)), log.rating_index[rows], len(log.scale))


def _log_ratio(
    index: IntArray, rating_index: IntArray, expected: FloatArray, prior: FloatArray
) -> npt.NDArray[np.float32]:
    """(k, r) logarithms of observed to expected counts (k, r), both with (r,) counts of average style added."""
    observed = np.bincount(index * expected.shape[1] + rating_index, minlength=expected.size).reshape(expected.shape)
    return np.log((observed + prior) / (expected + prior)).astype(np.float32)
