"""What a log says about a rating, in one expectation: weights of the evidence, and others for whatever is unknown.

A `GatedRidge` corrects the mean of the factor models, and a network says what that misses, as far as rows of other
users bear it out. Items that nobody has rated, and users of whom next to nothing is known, have weights of their own,
fitted to rows that are read as if they were such: of those, weights of well-known ones say too much. Each of these
corrects what is right without evidence, and no farther than rows of other items, or users, bear out.

Shapes: n rows, f columns of evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from personagym_agents.classical.cross_fitting import (
    BARELY_KNOWN,
    ColdRows,
    cross_fitted_evidence,
    evidence_on_barely_known_users,
    evidence_on_unknown_items,
)
from personagym_agents.classical.evidence_network import EvidenceNetwork, checked_network, fit_evidence_network
from personagym_agents.classical.gated_ridge import (
    GatedRidge,
    checked_ridge,
    fit_gated_ridge,
    fit_trusted_ridge,
    folds,
    trust,
)
from personagym_agents.classical.rating_evidence import EVIDENCE_COLUMNS, Columns
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

_ITEM_COUNT, _USER_COUNT = (EVIDENCE_COLUMNS.index(f"{whose} count") for whose in ("item", "user"))
_FEWEST_ROWS = 500
"""Rows that a network needs."""
_TRIED = 2
"""Networks that are averaged where their worth is tried."""
_COLD = ("unrated", "barely_known")


@dataclass(frozen=True, eq=False, repr=False)
class Blend:
    """Fitted by `fit_blend`."""

    usual: GatedRidge
    network: EvidenceNetwork | None = None
    """Corrects what the usual weights correct, too."""
    share: float = 0.0
    """Of the network in the mean of both."""
    unrated: GatedRidge | None = None
    """For items that nobody has rated; the usual weights, which take them for rarely rated ones, if None."""
    barely_known: GatedRidge | None = None
    """For users of whom next to nothing is known; the usual weights if None."""

    def __call__(self, evidence: Columns) -> Columns:
        """(...) expected ratings by (..., f) evidence."""
        told = self.usual.told(evidence)
        correction = self.usual.correction(told)
        if self.network is not None:
            correction += self.share * (self.network(told) - correction)
        expected = self.usual.anchored(evidence) + correction
        few = ~(evidence[..., _USER_COUNT] >= np.log1p(BARELY_KNOWN))
        for weights, place in ((self.barely_known, few), (self.unrated, np.isnan(evidence[..., _ITEM_COUNT]))):
            if weights is not None and place.any():
                expected[place] = weights(evidence[place])
        return np.asarray(expected, np.float32)

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        parts = {"": self.usual.arrays()}
        if self.network is not None:
            parts["network"] = self.network.arrays() | {"share": np.asarray(self.share)}
        for name in _COLD:
            if (part := getattr(self, name)) is not None:
                parts[name] = part.arrays()
        named = {(part, name): array for part, arrays in parts.items() for name, array in arrays.items()}
        save_file({".".join(filter(None, names)): array for names, array in named.items()}, path)

    @classmethod
    def load(cls, path: Path) -> "Blend":
        """Read what `save` wrote.

        Raises:
            ValueError: the file is missing, or holds something else.
        """
        try:
            parts = _parts(load_file(path))
            usual = checked_ridge(parts.get("", {}))
            network, share = None, 0.0
            if "network" in parts:
                share = float(_single(parts["network"].pop("share", np.empty(0))))
                network = checked_network(parts["network"], len(usual.centre))
            cold = {name: checked_ridge(parts[name]) for name in _COLD if name in parts}
        except (OSError, SafetensorError, ValueError) as error:
            raise ValueError(f"{path} holds no weights of evidence: {error}") from error
        return cls(usual, network, share, **cold)


def _parts(arrays: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    found: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
    for name, array in arrays.items():
        part, _, field = name.rpartition(".")
        found.setdefault(part, {})[field] = array
    return found


def _single(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if array.shape != ():
        raise ValueError(f"expected a network's share of shape (), got {array.shape}")
    return array


def fit_blend(evidence: Columns, ratings: FloatArray, users: IntArray, rng: np.random.Generator) -> Blend:
    """Fit the usual weights and the network to cross-fitted evidence.

    Args:
        evidence: (n, f) on rows.
        ratings: (n,) of these.
        users: (n,) who gave them.
        rng: deals users and draws the network's weights.
    """
    usual = fit_gated_ridge(evidence, ratings)
    if len(ratings) < _FEWEST_ROWS:
        return Blend(usual)
    share = _network_share(evidence, ratings, users, rng)
    if not share:
        return Blend(usual)
    network = fit_evidence_network(usual.told(evidence), ratings - usual.anchored(evidence), rng)
    return Blend(usual, network, share)


def _network_share(evidence: Columns, ratings: FloatArray, users: IntArray, rng: np.random.Generator) -> float:
    """How far networks may be trusted against the linear weights, both learned from half of the users."""
    half = rng.permutation(int(users.max()) + 1)[users] % 2
    apart, residual = np.zeros(len(ratings)), np.zeros(len(ratings))
    for inside in folds(half):
        usual = fit_gated_ridge(evidence[~inside], ratings[~inside])
        wanted = ratings[~inside] - usual.anchored(evidence[~inside])
        network = fit_evidence_network(usual.told(evidence[~inside]), wanted, rng, members=_TRIED)
        told = usual.told(evidence[inside])
        correction = usual.correction(told)
        apart[inside] = network(told) - correction
        residual[inside] = ratings[inside] - usual.anchored(evidence[inside]) - correction
    return trust(apart, residual, users)


def fit_cross_fitted_blend(log: Interactions, catalogue: Catalogue | None = None) -> Blend:
    """Fit weights to what the other rows say about each row, and to rows that are read as if they were unknown.

    Raises:
        ValueError: the log has no rows.
    """
    rng = np.random.default_rng(0)
    blend = fit_blend(cross_fitted_evidence(log, catalogue, rng=rng), log.ratings, log.users, rng)
    items = evidence_on_unknown_items(log, catalogue, rng=np.random.default_rng(0))
    users = evidence_on_barely_known_users(log, catalogue, rng=np.random.default_rng(0))
    return replace(
        blend,
        unrated=_fit_cold(items, log.ratings, log.items, user_means=True),
        barely_known=_fit_cold(users, log.ratings, log.users, user_means=False),
    )


def _fit_cold(cold: ColdRows, ratings: FloatArray, cluster: IntArray, *, user_means: bool) -> GatedRidge | None:
    if not len(cold.rows):
        return None
    found = ratings[cold.rows], cold.fold, cluster[cold.rows]
    return fit_trusted_ridge(cold.evidence, *found, user_means=user_means)
