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


LEAST_TESTS = 10
"""Tests from which on predicted probabilities are corrected by what the others say."""


def corrected(probability: FloatArray, outcome: FloatArray) -> FloatArray:
    """(n,) probabilities whose log odds are shrunk as all other tests say, so that no test corrects itself.

    Resamples of users tell the noise of the sample and not the judge's own mistakes, so that bare probabilities are too
    sure. The one number that is fitted, by likelihood, is between 0 (nothing is known) and 2; a tie counts as 1/2.

    Args:
        probability: (n,) predicted, that the first of two wins.
        outcome: (n,) real difference, first less second.
    """
    odds = np.log(clipped := np.clip(probability, 1e-3, 1 - 1e-3)) - np.log1p(-clipped)
    won = (1 + np.sign(outcome)) / 2
    factors = np.linspace(0.0, 2.0, 201)
    at = factors[:, None] * odds
    likelihood = won * at - np.logaddexp(0.0, at)  # (f, n)
    others = likelihood.sum(axis=1, keepdims=True) - likelihood
    return np.asarray(1 / (1 + np.exp(-factors[others.argmax(axis=0)] * odds)))
