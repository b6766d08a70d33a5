"""The leak test finds what it must find and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest

from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Catalogue, Dataset, Interactions
from personagym_env.evaluation.fidelity.contamination import blind, find_leaks, shuffled_ratings

TITLES = (
    "Heat",
    "Body Heat",
    "Ulee's Gold",
    "Ulee's Gold",
    "M",
    "The  Long;Goodbye",
    "Drama",
    "Emma",
    "Emma",
    "The Long Goodbye 2: Hello",
)
YEARS = (1995, 1981, 1997, 1997, 1931, 1973, 1999, 1996, 1932, 1999)
CATALOGUE = Catalogue(
    ids=tuple(f"i{item}" for item in range(10)),
    titles=TITLES,
    years=np.asarray(YEARS),
    genre_names=("Drama",),
    genres=np.zeros((10, 1), np.bool_),
)


def split_of(train: list[int], test: list[int]) -> Split:
    def log(items: list[int]) -> Interactions:
        return Interactions.from_columns(
            np.zeros(len(items), np.int64), np.asarray(items), np.ones(len(items)), None,
            n_users=1, n_items=10, scale=(1.0, 2.0),
        )  # fmt: skip

    return Split(log(train), log(test))


def found(document: str, train: list[int], test: list[int]) -> list[int]:
    return [leak.item for leak in find_leaks([(0, document)], CATALOGUE, split_of(train, test))]


@pytest.mark.parametrize(
    ("document", "train", "test", "expected"),
    [
        ("30, M; likes Drama\nHeat; 1995; Drama; crowd 3.6; 5", [1], [0], [0]),
        ("30, M; likes Drama\nBody Heat; 1981; Drama; 5", [1], [0], []),
        ("30, M; likes Drama\nBody Heat; 1981; Drama; 5", [], [0, 1], [1]),
        ("30\nUlee's Gold; 1997; Drama; 4", [2], [3], []),
        ("30\nUlee's Gold; 1997; Drama; 4", [], [3], [3]),
        ("30\nM; 1931; Drama; 5", [0], [4], [4]),
        ("30, M; likes M", [0], [4], []),
        ("likes the long goodbye and the like\nHeat; 1995; 3", [0], [5], [5]),
        ("30\nThe Long Goodbye; 1973; Drama; 5", [0], [5], [5]),
        ("30\nThe Long Goodbye; 1973; Drama; 5", [5], [0], []),
        ("30; Drama\nDrama; 1999; 3", [0], [6], []),
        ("30\nEmma; 1996; Drama; 5", [7], [8], []),
        ("30\nEmma; 1932; Drama; 5", [7], [8], [8]),
        ("30\nHeat; 1995; recalls The Long Goodbye 2: Hello 4, pleased by Drama; 5", [0, 9], [5], []),
        ("30\nHeat; 1995; recalls The Long Goodbye 2: Hello 4, like The Long Goodbye; 5", [0, 9], [5], [5]),
        ("30\nHeat; 1995; recalls The Long Goodbye 2: Hello 4, pleased by Drama; 5", [0], [9], [9]),
    ],
)
def test_known_answers(document: str, train: list[int], test: list[int], expected: list[int]) -> None:
    assert found(document, train, test) == expected


def test_a_leak_says_where() -> None:
    leak = find_leaks([(0, "30\nHeat; 1995; 5")], CATALOGUE, split_of([1], [0]))[0]
    assert leak == (0, 0, "Heat; 1995; 5")


def test_documents_of_held_out_rows_leak_and_documents_of_training_rows_do_not(dataset: Dataset) -> None:
    split = temporal_split(dataset.interactions)

    def documents(log: Interactions) -> list[tuple[int, str]]:
        lines = [
            f"{dataset.catalogue.titles[item]}; 1990; {rating:g}"
            for item, rating in zip(log.items, log.ratings, strict=True)
        ]
        return [
            (user, "\n".join(["30", *lines[log.indptr[user] : log.indptr[user + 1]]])) for user in range(log.n_users)
        ]

    assert find_leaks(documents(split.train), dataset.catalogue, split) == []
    leaks = find_leaks(documents(split.test), dataset.catalogue, split)
    assert {(leak.user, leak.item) for leak in leaks} == set(zip(split.test.users, split.test.items, strict=True))


def test_the_blind_know_nothing_of_held_out_rows(dataset: Dataset) -> None:
    split = temporal_split(dataset.interactions)
    assert blind(dataset, split.train).interactions is split.train
    assert blind(dataset, split.train).catalogue is dataset.catalogue


def test_shuffled_ratings_keep_each_users_ratings_and_lose_what_they_were_for(
    make_dataset: Callable[..., Dataset],
) -> None:
    log = make_dataset(n_users=30, per_user=40).interactions
    shuffled = shuffled_ratings(log, np.random.default_rng(0))
    np.testing.assert_array_equal(shuffled.items, log.items)
    for user in range(30):
        mine = slice(*log.indptr[user : user + 2])
        assert sorted(shuffled.ratings[mine]) == sorted(log.ratings[mine])
    centre = log.ratings.mean()
    assert abs(np.corrcoef(log.ratings - centre, shuffled.ratings - centre)[0, 1]) < 0.15
    assert (shuffled.ratings != log.ratings).any()
