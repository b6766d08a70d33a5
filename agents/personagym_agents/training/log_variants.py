"""Variants of a log, which a base reads so that it learns to read logs rather than to know one.

A variant is a log of some of the users and items. It may be without genres, with titles that stand beside other items,
without times, or with few ratings of each user: whatever a log that the base meets later may lack.
"""

from dataclasses import replace

import numpy as np

from personagym_env.data.tables import BoolArray, Catalogue, Dataset, IntArray, Interactions, Users

_LEAST_SHARE = 0.05
_LEAST_USERS, _LEAST_ITEMS = 30, 20
"""That a variant keeps, where the log has as many."""
_FEWEST, _MOST = 5, 40
"""Ratings of each user at most, where there are to be few."""


def draw_log_variant(dataset: Dataset, train: Interactions, rng: np.random.Generator) -> Dataset:
    """A variant of the training rows; its log holds nothing but some of them.

    Args:
        dataset: texts of items and users.
        train: rows that may be shown.
        rng: draws what the variant keeps and lacks.
    """
    users = _some(np.flatnonzero(train.counts), _LEAST_USERS, rng)
    items = _some(np.unique(train.items), _LEAST_ITEMS, rng)
    keep = np.isin(train.users, users) & np.isin(train.items, items)
    if rng.random() < 1 / 3:
        most = int(rng.integers(_FEWEST, _MOST))
        keep &= train.rank_in_user < most
    rows = train.take(keep if keep.any() else np.ones(len(train), np.bool_))
    known_users, known_items = np.unique(rows.users), np.unique(rows.items)
    log = Interactions.from_columns(
        np.searchsorted(known_users, rows.users),
        np.searchsorted(known_items, rows.items),
        rows.ratings,
        None if rows.timestamps is None or rng.random() < 1 / 4 else rows.timestamps,
        n_users=len(known_users),
        n_items=len(known_items),
        scale=rows.scale,
    )
    catalogue = _catalogue(dataset.catalogue, known_items, rng)
    return Dataset(f"a variant of {dataset.name}", catalogue, _people(dataset.users, known_users), log)


def _some(known: IntArray, least: int, rng: np.random.Generator) -> IntArray:
    """A share of them, drawn evenly on a logarithmic scale."""
    share = _LEAST_SHARE ** rng.random()
    count = min(len(known), max(least, round(share * len(known))))
    return np.sort(rng.choice(known, count, replace=False))


def _catalogue(catalogue: Catalogue, items: IntArray, rng: np.random.Generator) -> Catalogue:
    """Some of the items, perhaps with each other's titles, without genres or without years."""
    texts = rng.permutation(items) if rng.random() < 1 / 3 else items
    genres: BoolArray = catalogue.genres[items]
    if rng.random() < 1 / 4:
        genres = np.zeros_like(genres)
    years = catalogue.years[items]
    return Catalogue(
        ids=tuple(catalogue.ids[item] for item in items),
        titles=tuple(catalogue.titles[item] for item in texts),
        years=np.zeros_like(years) if rng.random() < 1 / 4 else years,
        genre_names=catalogue.genre_names,
        genres=genres,
    )


def _people(users: Users, known: IntArray) -> Users:
    attributes = {name: tuple(column[user] for user in known) for name, column in users.attributes.items()}
    return replace(users, ids=tuple(users.ids[user] for user in known), attributes=attributes)
