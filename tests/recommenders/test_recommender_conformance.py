"""Everybody passes the conformance suite, and the suite finds what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from personagym_env.conformance.recommender import check_recommender
from personagym_env.protocols import NO_ITEM
from personagym_recommenders import REGISTRY, MostPopular, RecommenderContext, load_recommender

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_recommender.py"


TRAINED_ELSEWHERE = {"RecBole", "users to learn with"}
"""What is needed by those whose training takes long: their own tests hold them to the suite."""
QUICK = [name for name, spec in REGISTRY.items() if not spec.needs & TRAINED_ELSEWHERE]


@pytest.mark.parametrize("word", [*QUICK, f"{EXAMPLE}:GenreAffinity"])
def test_conforms(word, checkerboard, make_agent):
    context = RecommenderContext(liked=4.0, judge=make_agent(n_users=48, n_items=24))
    check_recommender(load_recommender(word, context), checkerboard.log, checkerboard.catalogue)


def test_genre_affinity_follows_the_genres(checkerboard, observe):
    recommender = load_recommender(f"{EXAMPLE}:GenreAffinity").fit(checkerboard.log, checkerboard.catalogue)
    slates = recommender.recommend(observe(list(range(48))), 3)
    np.testing.assert_array_equal(np.sort(slates, axis=1), checkerboard.left)


class Seen(MostPopular):
    """Shows consumed items."""

    def recommend(self, observation, k, candidates=None):
        """Shows consumed items."""
        candidates = np.ones((len(observation["user"]), 24), bool) if candidates is None else candidates
        return super().recommend(observation, k, candidates)


class IgnoresSession(MostPopular):
    """Shows what was consumed in the session."""

    def recommend(self, observation, k, candidates=None):
        """Shows what was consumed in the session."""
        nothing = np.full_like(observation["history_items"], NO_ITEM)
        return super().recommend({**observation, "history_items": nothing}, k, candidates)


class IgnoresCandidates(MostPopular):
    """Chooses among all items."""

    def recommend(self, observation, k, candidates=None):
        """Chooses among all items."""
        return super().recommend(observation, k)


class Repeats(MostPopular):
    """Fills the slate with one item."""

    def recommend(self, observation, k, candidates=None):
        """Fills the slate with one item."""
        return np.repeat(super().recommend(observation, k, candidates)[:, :1], k, axis=1)


class DependsOnTheBatch(MostPopular):
    """Ranks by the first row's user."""

    def score(self, observation):
        """Ranks by the first row's user."""
        return super().score(observation) + (np.arange(24) + observation["user"][0]) % 24


class Forgets(MostPopular):
    """Comes back from disk with other scores."""

    def restore(self, learned):
        """Comes back from disk with other scores."""
        super().restore(learned)
        self.item_scores_ = np.arange(24.0)


class Moody(MostPopular):
    """Answers differently each time."""

    calls = 0

    def score(self, observation):
        """Answers differently each time."""
        self.calls += 1
        return np.random.default_rng(self.calls).random((len(observation["user"]), 24))


class WritesHistory(MostPopular):
    """Empties the history that it was given."""

    def recommend(self, observation, k, candidates=None):
        """Empties the history that it was given."""
        slates = super().recommend(observation, k, candidates)
        observation["history_items"][:] = -1
        return slates


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Seen, "training rows"),
        (IgnoresSession, "in this session"),
        (IgnoresCandidates, "only candidates"),
        (Repeats, "distinct"),
        (DependsOnTheBatch, "alone as in a batch"),
        (Forgets, "loaded must recommend"),
        (Moody, "asking twice"),
        (WritesHistory, "history_items"),
    ],
)
def test_the_suite_finds_what_is_wrong(checkerboard, broken, message):
    with pytest.raises(AssertionError, match=message):
        check_recommender(broken(), checkerboard.log, checkerboard.catalogue)
