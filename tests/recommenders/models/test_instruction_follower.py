"""A recommender that listens: the other one's list, with what is wished first."""

import numpy as np
import pytest

from personagym_env.conformance.recommender import check_recommender
from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_WISH, Observation, rows_of
from personagym_recommenders import InstructionFollower, MostPopular


def observation(dataset: Dataset, wishes: list[tuple[int, int, int]]) -> Observation:
    n = len(wishes)
    return Observation(
        user=np.arange(n),
        profile=np.zeros((n, 3), np.float32),
        history_items=np.full((n, 4), -1, np.int32),
        history_ratings=np.zeros((n, 4), np.float32),
        step=np.zeros(n, np.int64),
        instruction=np.array(wishes),
    )


def test_it_conforms(dataset: Dataset) -> None:
    check_recommender(InstructionFollower(MostPopular()), dataset.interactions, dataset.catalogue)


def test_what_is_wished_goes_first_and_the_rest_keeps_its_order(dataset: Dataset) -> None:
    catalogue = dataset.catalogue
    follower = InstructionFollower(MostPopular()).fit(dataset.interactions, catalogue)
    plain = follower.recommender
    asked = observation(dataset, [(3, -1, 0), (-1, 0, 0), NO_WISH])
    slates, usual = follower.recommend(asked, 4), plain.recommend(asked, 20)
    assert catalogue.genres[slates[0], 3].all()
    assert not catalogue.genres[slates[1], 0].any()
    np.testing.assert_array_equal(slates[2], usual[2, :4])
    np.testing.assert_array_equal(slates[0], [item for item in usual[0] if catalogue.genres[item, 3]][:4])
    np.testing.assert_array_equal(follower.recommend(rows_of(asked, slice(1, 2)), 4), slates[1:2])


def test_few_candidates_are_enough_and_none_are_an_error(dataset: Dataset) -> None:
    follower = InstructionFollower(MostPopular(), depth=3)
    asked = observation(dataset, [(1, -1, 0)])
    with pytest.raises(ValueError, match="must be fitted"):
        follower.recommend(asked, 4)
    follower.fit(dataset.interactions, dataset.catalogue)
    few = np.zeros((1, len(dataset.catalogue)), np.bool_)
    few[0, [3, 5, 9, 40, 41]] = True
    assert set(follower.recommend(asked, 4, few)[0]) <= {3, 5, 9, 40, 41}
    with pytest.raises(ValueError, match="fewer than"):
        follower.recommend(asked, 6, few)
    with pytest.raises(ValueError, match="depth must be at least 1"):
        InstructionFollower(MostPopular(), depth=0)
    for wrong in ("item-knn", MostPopular, None):
        with pytest.raises(TypeError, match=r"expected a recommender that lists items, such as ItemKNN\(\), got"):
            InstructionFollower(wrong)  # type: ignore[arg-type]
