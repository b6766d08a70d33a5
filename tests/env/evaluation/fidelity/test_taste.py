"""Taste discrimination and choice from lists by users whose taste is known."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from personagym_env.data.splits import Split, random_split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.negatives import SUFFIX
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest
from personagym_env.evaluation.fidelity.taste import TasteTest, first_is_best, known_share, own_yes

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
U, M = 60, 200


@pytest.fixture(scope="module")
def split() -> Split:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((U, M)) < rng.uniform(0.05, 0.4, (U, 1)))
    log = Interactions.from_columns(
        users, items, rng.integers(1, 6, len(users)).astype(float), None, n_users=U, n_items=M, scale=SCALE
    )
    return random_split(log, 0.6, rng=rng)


@pytest.fixture(scope="module")
def taste(split: Split) -> TasteTest:
    rng = np.random.default_rng(1)
    return TasteTest.draw(FidelityTest.draw(split, rng, 20, kinds=("uniform", "popular")), rng)


def figures(taste: TasteTest, answers: Answers) -> dict[str, float]:
    return {name: float(one.resampled(np.ones((1, U)))[0]) for name, one in taste.figures(answers).items()}


@pytest.fixture
def ask(taste: TasteTest) -> Callable[..., dict[str, float]]:
    """Figures of users with the same want for all real items, and for all unseen ones."""

    def figures_of(real: float, unseen: float, *, wants: bool = True) -> dict[str, float]:
        test = taste.test
        return figures(
            taste,
            Answers(
                "known",
                score=np.full(len(test.split.test), real),
                unseen={kind: np.full(items.shape, unseen) for kind, items in test.unseen.items()},
                wants=wants,
            ),
        )

    return figures_of


def test_the_oracle_is_always_right(ask: Callable[..., dict[str, float]]) -> None:
    found = ask(0.9, 0.1)
    assert len(found) == 2 * (1 + 3 * 3 + 2)
    assert found == pytest.approx(dict.fromkeys(found, 1.0))


def test_the_contrarian_is_always_wrong(ask: Callable[..., dict[str, float]]) -> None:
    found = ask(0.1, 0.9)
    assert all(found[name] == 0 for name in found if "balanced" not in name)
    assert found["balanced_1"] == 0
    assert found["balanced_9"] == pytest.approx((0 + 16 / 18) / 2)


def test_who_knows_nothing_is_right_by_chance(ask: Callable[..., dict[str, float]]) -> None:
    found = ask(0.7, 0.7)
    for end in SUFFIX.values():
        assert found["auc" + end] == pytest.approx(0.5)
        assert found["choice_5" + end] == pytest.approx(1 / 5)
        assert found["choice_12" + end] == pytest.approx(1 / 12)
        for ratio, share in ((1, 0.5), (3, 0.25), (9, 0.1)):
            assert found[f"f1_{ratio}{end}"] == pytest.approx(share)
            assert found[f"balanced_{ratio}{end}"] == pytest.approx(0.5)
            # Who says yes to everything has a recall of 1 and a precision of the share.
            assert found[f"own_f1_{ratio}{end}"] == pytest.approx(2 * share / (1 + share))


def test_who_never_says_yes_has_no_f1(ask: Callable[..., dict[str, float]]) -> None:
    assert ask(0.3, 0.2)["own_f1_1"] == 0
    assert ask(0.3, 0.2)["f1_1"] == 1


def test_scores_that_are_no_wants_say_yes_to_nothing_of_their_own(ask: Callable[..., dict[str, float]]) -> None:
    assert not [name for name in ask(0.9, 0.1, wants=False) if name.startswith("own")]


def test_random_scores_are_near_chance(taste: TasteTest) -> None:
    rng = np.random.default_rng(3)
    test = taste.test
    unseen = {kind: rng.random(items.shape) for kind, items in test.unseen.items()}
    found = figures(taste, Answers("dice", score=rng.random(len(test.split.test)), unseen=unseen, wants=True))
    assert found["auc"] == pytest.approx(0.5, abs=0.05)
    assert found["f1_3"] == pytest.approx(0.25, abs=0.08)
    assert found["choice_5"] == pytest.approx(0.2, abs=0.06)


def test_panels_hold_twenty_distinct_items_of_one_user(taste: TasteTest, split: Split) -> None:
    for ratio, panels in taste.panels.items():
        real = 20 // (1 + ratio)
        assert panels.real.shape[1] == real
        assert panels.real.shape[1] + panels.unseen.shape[1] == 20
        users = taste.test.owners[panels.owners]
        assert (split.test.users[panels.real] == users[:, None]).all()
        assert set(users) == set(np.flatnonzero(split.test.counts >= real))
        for row in (*panels.real, *panels.unseen):
            assert len(set(row)) == len(row)
    for size, lists in taste.lists.items():
        assert lists.unseen.shape[1] == size - 1
        users = taste.test.owners[lists.owners]
        assert (split.test.users[lists.real[:, 0]] == users).all()
        assert (np.bincount(users, minlength=U) == np.minimum(split.test.counts, 10)).all()
        assert len(set(lists.real[:, 0])) == len(lists.real)


def test_known_share_and_own_yes_equal_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    scores = rng.random((50, 20))
    truth = np.arange(20) < 5
    named, own = known_share(scores, 5), own_yes(scores, 5)
    for row, score in enumerate(scores):
        yes = np.isin(np.arange(20), np.argsort(-score)[:5])
        assert named["f1"][row] == pytest.approx(f1_score(truth, yes))
        assert named["balanced"][row] == pytest.approx(balanced_accuracy_score(truth, yes))
        assert own[row] == pytest.approx(f1_score(truth, score > 0.5))


def test_ties_count_as_their_average_over_ways_to_break_them() -> None:
    scores = np.array([[3.0, 1.0, 3.0, 1.0, 1.0, 0.0]])
    rng = np.random.default_rng(5)
    broken = scores + rng.random((20_000, 6)) * 1e-6
    assert known_share(scores, 3)["f1"][0] == pytest.approx(known_share(broken, 3)["f1"].mean(), abs=0.01)
    assert first_is_best(scores)[0] == 0.5


def test_what_a_small_catalogue_cannot_fill_is_left_out() -> None:
    users, items = np.repeat(np.arange(3), 20), np.tile(np.arange(20), 3)
    log = Interactions.from_columns(users, items, np.ones(60), None, n_users=3, n_items=26, scale=SCALE)
    rng = np.random.default_rng(6)
    taste = TasteTest.draw(FidelityTest.draw(random_split(log, 0.5, rng=rng), rng, 20), rng)
    assert list(taste.panels) == []
    assert list(taste.lists) == [5]
