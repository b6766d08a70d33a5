"""What a log is like: its size, and how strongly its rows were selected."""

from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import Interactions


@dataclass(frozen=True)
class LogShape:
    """Size and selection of a log."""

    users: int
    items: int
    rows: int
    rows_per_user: float
    """Median over users."""
    density: float
    """Share of all pairs that was rated."""
    selection: float
    """Standard deviation, over items, of the log odds of being rated by a user; 0 where everybody rated everything."""
    liked_selection: float
    """Rank correlation of how often and how well items are rated, over items with five ratings and more."""


def log_shape(log: Interactions) -> LogShape:
    """Measure a log."""
    counts = np.bincount(log.items, minlength=log.n_items)
    share = (counts + 0.5) / (log.n_users + 1)  # half a row for and against, so that no odds are infinite
    known = counts >= 5
    means = np.bincount(log.items, log.ratings, log.n_items)[known] / counts[known]
    return LogShape(
        users=log.n_users,
        items=log.n_items,
        rows=len(log),
        rows_per_user=float(np.median(log.counts[log.counts > 0])),
        density=len(log) / (log.n_users * log.n_items),
        selection=float(np.log(share / (1 - share)).std()),
        liked_selection=_rank_correlation(counts[known], means),
    )


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's; 0 where one of them is constant."""
    from scipy.stats import rankdata

    left, right = (rankdata(values) - (len(values) + 1) / 2 for values in (x, y))
    spread = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum()) / spread if spread > 0 else 0.0
