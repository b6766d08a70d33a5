"""Where items were shown at random, their ratings weigh the log odds, and nobody's own ratings weigh their values."""

import numpy as np
import pytest

from personagym_env.data.tables import Interactions
from personagym_env.evaluation.agreement.quantities import Answers, Questions
from personagym_env.evaluation.core.pair_reactions import PairReactions
from personagym_env.evaluation.core.shown_value import choice_logit

USERS, ITEMS, SCALE = 40, 30, (1.0, 2.0, 3.0, 4.0, 5.0)
EVEN, ODD = 0.2, 0.6
"""What a log odd is worth to users of even and of odd number, in points."""


def rows(users: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> Interactions:
    return Interactions.from_columns(
        users, items, ratings.astype(np.float32), None, n_users=USERS, n_items=ITEMS, scale=SCALE
    )


@pytest.fixture
def answers() -> Answers:
    """The log's ratings follow expectations alone; those of what was shown at random the log odds, too."""
    rng = np.random.default_rng(0)
    probability, expected = rng.uniform(0.05, 0.95, (USERS, ITEMS)), rng.uniform(2, 4, (USERS, ITEMS))
    everybody = np.repeat(np.arange(USERS), ITEMS // 2)
    logged_items, shown_items = np.tile(np.arange(15), USERS), np.tile(np.arange(15, 30), USERS)
    logged = rows(everybody, logged_items, np.round(expected[everybody, logged_items]))
    worth = expected + np.where(np.arange(USERS) % 2, ODD, EVEN)[:, None] * choice_logit(probability)
    drawn = np.clip(np.round(worth[everybody, shown_items]), 1, 5)
    questions = Questions.about(logged, [], rows(everybody, shown_items, drawn))
    assert len(questions) == USERS * ITEMS
    mean = expected[questions.users, questions.items]
    below = np.floor(mean).astype(np.int64)
    rating = np.zeros((len(questions), 5))
    at = np.arange(len(questions))
    rating[at, below - 1], rating[at, below] = 1 - (mean - below), mean - below
    said = PairReactions(probability[questions.users, questions.items], rating)
    return questions.answered(said, np.random.default_rng(1))


def test_the_sample_gives_a_weight_that_the_log_cannot(answers: Answers) -> None:
    assert answers.sampled_weight is not None
    assert answers.weight.weight.value < 0.05
    assert answers.sampled_weight.by_half == pytest.approx((EVEN, ODD), abs=0.06)


def test_nobody_is_weighed_by_own_ratings(answers: Answers) -> None:
    found = answers.quantities
    odds = choice_logit(answers.reactions.choice_probability)
    used = (found["shown_sampled"] - found["expected"]) / odds
    even = answers.questions.users % 2 == 0
    assert used[even] == pytest.approx(ODD, abs=0.06)
    assert used[~even] == pytest.approx(EVEN, abs=0.06)


def test_without_a_sample_there_is_one_value_of_what_is_shown(answers: Answers) -> None:
    questions = Questions.about(answers.questions.logged, [])
    assert questions.sample is None
    said = PairReactions(
        *(part[answers.questions.places.rows(questions.users, questions.items)] for part in answers.reactions)
    )
    assert "shown_sampled" not in questions.answered(said, np.random.default_rng(1)).quantities
