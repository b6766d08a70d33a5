"""How often predicted winners of tests won, by how sure the prediction was."""

from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import FloatArray

EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.975, 1.0)
"""Of the bins, by the predicted probability of the predicted winner; the last ones are told apart at 95 %."""
TOLD_APART = 0.975
"""Predicted probability from which on a winner is named; below, a verdict is withheld."""


@dataclass(frozen=True)
class ConfidenceBin:
    """Tests whose predicted winner had about the same predicted probability."""

    low: float
    high: float
    tests: int
    predicted: float
    """Mean predicted probability."""
    right: float
    """Share of the predicted winners that won; a tie counts half."""


def confidence_bins(probability: FloatArray, outcome: FloatArray) -> tuple[ConfidenceBin, ...]:
    """Tests by confidence, bins without tests left out.

    Args:
        probability: (n,) predicted, that the first of two wins.
        outcome: (n,) real difference, first less second, or its sign.
    """
    sure = np.maximum(probability, 1 - probability)
    right = right_winner(probability, outcome)
    place = np.clip(np.searchsorted(EDGES, sure, side="right") - 1, 0, len(EDGES) - 2)
    return tuple(
        ConfidenceBin(
            EDGES[at],
            EDGES[at + 1],
            int(mine.sum()),
            float(sure[mine].mean()),
            float(right[mine].mean()),
        )
        for at in range(len(EDGES) - 1)
        if (mine := place == at).any()
    )


def right_winner(probability: FloatArray, outcome: FloatArray) -> FloatArray:
    """(n,) 1 where the predicted winner won, 0 where the other one did, 1/2 for ties."""
    return np.asarray((1 + np.sign(probability - 0.5) * np.sign(outcome)) / 2)


def brier(probability: FloatArray, outcome: FloatArray) -> float:
    """Mean squared error of predicted probabilities (Brier 1950); always saying 1/2 gives .25. A tie counts as 1/2."""
    return float(((probability - (1 + np.sign(outcome)) / 2) ** 2).mean())
