"""What a log is like: its size, and how strongly its rows were selected."""

from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import FloatArray, Interactions
from personagym_env.evaluation.core.statistics import spearman_rho


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
        liked_selection=_correlation(counts[known].astype(np.float64), means),
    )


def _correlation(x: FloatArray, y: FloatArray) -> float:
    """Spearman's; 0 where one of them is constant or has fewer than two values."""
    return float(spearman_rho(x[None], y[None])[0]) if len(x) > 1 else 0.0
