"""What offline learners read off the Dict observation, besides what is known about each item.

Shapes: n rows, h steps of history, f profile features, g genres.
"""

import numpy as np
import numpy.typing as npt

from personagym_env.protocols import NO_ITEM, Observation
from personagym_recommenders.models.candidates import recent_genres


def session_features(
    observation: Observation, genre_share: npt.NDArray[np.float32], top_rating: float, forgetting: float
) -> npt.NDArray[np.float32]:
    """(n, f + g + 3) numbers of order 1; `user` is not read, so a policy works for users that it has not met.

    The profile, the logarithm of the steps so far, and sums over the session's steps, weighted by `forgetting ** age`
    and scaled to lie in 0..1: how often something was taken, how well it was rated, and of which genres it was.

    Args:
        observation: n rows.
        genre_share: (m, g) see `Catalogue.genre_shares`.
        top_rating: the end of the rating scale.
        forgetting: in 0..1, 1 excluded.
    """
    items, ratings = observation["history_items"], observation["history_ratings"]
    weight = (1 - forgetting) * forgetting ** np.arange(items.shape[1])[::-1]  # (h,) the latest step stands last
    taken = (items != NO_ITEM) @ weight
    liked = ratings @ weight / top_rating
    genres = (1 - forgetting) * recent_genres(observation, genre_share, forgetting)
    moment = np.log1p(observation["step"]) / 3  # about 1 at the end of a long session
    return np.concatenate(
        [observation["profile"], np.column_stack([moment, taken, liked]), genres], axis=1, dtype=np.float32
    )
