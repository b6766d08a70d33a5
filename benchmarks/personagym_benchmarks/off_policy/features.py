"""What the action-value models of the study read: session, user, and what static recommenders think of the items.

Nothing in it is learned from the log that is evaluated. Shapes: n rows, u users, m items, k places, r recommenders.
"""

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.evaluation.off_policy.decisions import Floats
from personagym_env.protocols import NO_ITEM, Observation
from personagym_env.world import World
from personagym_recommenders import EASE, BestRated, ItemKNN, MostPopular
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.models.rating_models import MatrixFactorisation


class SlateFeatures:
    """Features of slates, linear in their items.

    Args:
        world: for training rows and profiles.
    """

    def __init__(self, world: World) -> None:
        self._profiles = world.profiles
        self._top = float(world.train.scale[-1])
        observation = opening_observation(np.arange(world.train.n_users), world.profiles, 1)
        opinions = []
        models: tuple[ScoringRecommender, ...] = (EASE(), BestRated(), MatrixFactorisation(), ItemKNN(), MostPopular())
        for model in models:
            scores = model.fit(world.train, world.dataset.catalogue).score(observation)
            spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-9)
            opinions.append((scores - scores.mean(axis=1, keepdims=True)) / spread)
        self._opinions: npt.NDArray[np.float32] = np.stack(opinions, axis=2).astype(np.float32)  # (u, m, r)

    def of_items(self, users: IntArray, items: IntArray) -> Floats:
        """(n, k, r) what the recommenders think of items (n, k)."""
        return self._opinions[users[:, None], items].astype(np.float64)

    def of_slates(self, items: Floats) -> Floats:
        """(..., 2 r) features of slates whose items' are (..., k, r): sums over places, and the first place's."""
        attention = 1.0 / (1.0 + np.arange(items.shape[-2]))
        return np.concatenate([np.einsum("...kr,k->...r", items, attention), items[..., 0, :]], axis=-1)

    def of_places(self, items: Floats) -> Floats:
        """(n, k, k + k * r) features of places (n, k, r): each place has weights of its own."""
        n, k, r = items.shape
        found = np.zeros((n, k, k + k * r))
        for place in range(k):
            found[:, place, place] = 1.0
            found[:, place, k + place * r : k + (place + 1) * r] = items[:, place]
        return found

    def of_sessions(self, observation: Observation) -> Floats:
        """(n, 7) one, step, and what the session has been like so far."""
        taken = observation["history_items"] != NO_ITEM
        clicks = taken.sum(axis=1)
        liked = observation["history_ratings"].sum(axis=1) / np.maximum(clicks, 1) / self._top
        profile = self._profiles[observation["user"]]
        step = observation["step"].astype(np.float64)
        return np.column_stack(
            [np.ones(len(step)), step == 1, step == 2, liked, clicks, profile[:, 0], profile[:, 1]]
        ).astype(np.float64)
