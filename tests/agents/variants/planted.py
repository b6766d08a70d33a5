"""Small logs whose law is known."""

import numpy as np

from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions, Users

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def planted(
    users: IntArray, items: IntArray, points: FloatArray, genre: IntArray, *, minutes: FloatArray | None = None
) -> Dataset:
    """A data set of rows (n,) in their order, with ratings cut to the scale.

    Args:
        users: (n,) ids from 0.
        items: (n,) ids from 0.
        points: (n,) what is felt, rounded to the next rating.
        genre: (m,) of each item.
        minutes: (n,) since the log began; one after the other if None.
    """
    names = tuple(f"genre {number}" for number in range(int(genre.max()) + 1))
    n_users, n_items = int(users.max()) + 1, len(genre)
    times = 1_000_000 + (60 * (np.arange(len(users)) if minutes is None else minutes)).astype(np.int64)
    log = Interactions.from_columns(
        users, items, np.clip(np.rint(points), 1, 5), times, n_users=n_users, n_items=n_items, scale=SCALE
    )
    catalogue = Catalogue(
        ids=tuple(f"i{item}" for item in range(n_items)),
        titles=tuple(f"Film {item}" for item in range(n_items)),
        years=np.full(n_items, 1990),
        genre_names=names,
        genres=np.eye(len(names), dtype=np.bool_)[genre],
    )
    return Dataset("planted", catalogue, Users(tuple(f"u{user}" for user in range(n_users))), log)
