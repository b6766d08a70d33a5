"""Claims are found in words, and hold exactly where the ratings bear them out."""

from collections import Counter

import numpy as np
import pytest

from personagym_agents.documents.profile import StatisticalProfileWriter
from personagym_agents.llm.answers import HABITS, Draft, Notes
from personagym_agents.llm.claims import Choosing, Claim, ClaimReader, Habit, Liking, Subject, sentences
from personagym_agents.llm.evaluator import Evaluator
from personagym_agents.llm.evidence import Evidence, decades_of
from personagym_env.data.tables import Catalogue, Interactions, Users
from personagym_env.data.traits import crowd_statistics, user_traits

GENRES = ("Children's", "Comedy", "Drama", "Film-Noir", "Sci-Fi", "Western")
KIDS, COMEDY, DRAMA, NOIR, SCI_FI, WESTERN = (Subject("genre", index) for index in range(6))
EIGHTIES, NINETIES = Subject("decade", 0), Subject("decade", 1)


def like(*subjects: Subject, strong: bool = False) -> list[Claim]:
    return [Liking(subject, 1, strong) for subject in subjects]


def dislike(*subjects: Subject, strong: bool = False) -> list[Claim]:
    return [Liking(subject, -1, strong) for subject in subjects]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("loves westerns", like(WESTERN, strong=True)),
        ("loves Western, Drama and film noir", like(WESTERN, DRAMA, NOIR, strong=True)),
        ("prefers 1990s", like(NINETIES)),
        ("prefers the nineties to the '80s", like(NINETIES)),
        ("enjoys children's films and science fiction", like(KIDS, SCI_FI)),
        ("enjoys dramas but hates comedies", like(DRAMA) + dislike(COMEDY, strong=True)),
        ("likes dramas but not comedies", like(DRAMA) + dislike(COMEDY)),
        ("does not really like westerns, likes noir", dislike(WESTERN) + like(NOIR)),
        ("likes not only dramas", like(DRAMA)),
        ("prefers drama over comedy", like(DRAMA)),
        ("avoids genres like Western", dislike(WESTERN)),
        ("rates dramas highly", like(DRAMA)),
        ("comedies are disliked", dislike(COMEDY)),
        ("has little interest in westerns", dislike(WESTERN)),
        ("does not hate westerns", []),
        ("mostly watches comedies", [Choosing(COMEDY, True)]),
        ("rarely watches comedies", [Choosing(COMEDY, False)]),
        ("a strict rater who watches dramas", [Habit("rating", "strict"), Choosing(DRAMA, True)]),
        ("not a generous rater", [Habit("rating", "generous", holds=False)]),
        ("drawn to slow, melancholy stories", []),
        ("westerns", []),
        ("", []),
    ],
)
def test_claims_are_found_in_words(statement: str, expected: list[Claim]) -> None:
    assert ClaimReader(GENRES, [1980, 1990]).read(statement) == expected


def test_a_genres_own_name_goes_before_another_words_for_it() -> None:
    reader = ClaimReader(("Science Fiction", "Sci-Fi"), [])
    assert reader.read("likes sci-fi") == like(Subject("genre", 1))
    assert reader.read("likes science fiction") == like(Subject("genre", 0))


def test_two_decades_of_one_short_name_need_the_long_one() -> None:
    reader = ClaimReader((), [1920, 2020])
    assert reader.read("likes the 20s") == []
    assert reader.read("likes the 2020s") == like(Subject("decade", 1))


def test_sentences_are_parted_at_their_ends() -> None:
    assert sentences("Likes Mr. Bean? Yes! And noir.") == ["Likes Mr.", "Bean?", "Yes!", "And noir."]


def the_world() -> tuple[Catalogue, Interactions]:
    """Users 0 to 3 rate 60 films; the crowd of users 4 to 13 gives each 3 stars.

    User 0 gives westerns 5 and the rest 3; user 1 gives a star to everything; user 2 gives the 1990s 5 and the 1980s 2;
    user 3 rates like the crowd, but westerns with 5 among the last ten ratings only.
    """
    genres = np.zeros((60, 6), np.bool_)
    genres[np.arange(60), np.where(np.arange(60) % 4 == 0, 5, np.arange(60) % 3)] = True
    years = np.where(np.arange(60) % 2 == 0, 1985, 1995)
    western, recent = genres[:, 5], np.arange(60) >= 50
    catalogue = Catalogue(tuple(map(str, range(60))), tuple(map(str, range(60))), years, GENRES, genres)
    own = [
        np.where(western, 5, 3),
        np.full(60, 1),
        np.where(years == 1995, 5, 2),
        np.where(western & recent, 5, np.where(western, 2, 3)),
    ]
    ratings = np.concatenate([*own, np.full(600, 3)]).astype(np.float64)
    log = Interactions.from_columns(
        np.repeat(np.arange(14), 60),
        np.tile(np.arange(60), 14),
        ratings,
        None,
        n_users=14,
        n_items=60,
        scale=(1, 2, 3, 4, 5),
    )
    return catalogue, log


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    catalogue, log = the_world()
    return Evidence.of(log, catalogue, crowd_statistics(log))


@pytest.mark.parametrize(
    ("user", "statement", "recent", "holds"),
    [
        (0, "loves westerns", False, True),
        (0, "hates westerns", False, False),
        (0, "likes comedies", False, False),
        (1, "a strict rater", False, True),
        (1, "a generous rater", False, False),
        (1, "loves westerns", False, False),
        (2, "prefers the 1990s", False, True),
        (2, "prefers the 1980s", False, False),
        (2, "avoids the eighties", False, True),
        (3, "loves westerns", True, True),
        (3, "loves westerns", False, False),
        (3, "often watches westerns", False, True),
        (3, "rarely watches westerns", False, False),
        (4, "a strict rater", False, False),
        (4, "loves westerns", False, False),
    ],
)
def test_claims_hold_where_the_ratings_bear_them_out(
    evidence: Evidence, user: int, statement: str, recent: bool, holds: bool
) -> None:
    [claim] = ClaimReader(GENRES, [1980, 1990]).read(statement)
    assert evidence.holds(claim, user, recent=recent) == holds


def test_habits_mean_what_the_statistical_profile_means() -> None:
    """The margins are the same: for the traits that both name, the words agree for every user."""
    rng = np.random.default_rng(2)
    catalogue, _ = the_world()
    strictness = np.repeat(rng.normal(0, 1, 80), 40)
    ratings = np.clip(np.rint(3 - strictness + rng.normal(0, 1, 3200) * np.repeat(rng.random(80) * 2, 40)), 1, 5)
    items = np.concatenate([rng.choice(60, 40, replace=False) for _ in range(80)])
    # Half of the users see few genres.
    items = np.where(np.repeat(np.arange(80) % 2 == 0, 40), items // 12 * 12, items)
    log = Interactions.from_columns(
        np.repeat(np.arange(80), 40), items, ratings, None, n_users=80, n_items=60, scale=(1, 2, 3, 4, 5)
    )
    crowd = crowd_statistics(log)
    evidence = Evidence.of(log, catalogue, crowd)
    texts = StatisticalProfileWriter().write(
        np.arange(80), user_traits(log, catalogue, crowd), catalogue, Users(tuple(map(str, range(80))))
    )
    seen = set()
    for user, text in enumerate(texts):
        for trait in ("rating", "conformity", "diversity"):
            word = evidence.habit(trait, user)
            seen.add(word)
            assert word in text.replace(";", "").split(), f"{word} is not in {text!r}"
    assert seen >= set(HABITS["rating"]) | set(HABITS["conformity"])


def test_activity_is_measured_against_the_median() -> None:
    catalogue, _ = the_world()
    counts = np.array([10, 20, 30, 40, 60, 0])
    items = np.concatenate([np.arange(count) for count in counts])
    log = Interactions.from_columns(
        np.repeat(np.arange(6), counts), items, np.full(len(items), 3.0), None, n_users=6, n_items=60, scale=(1, 3, 5)
    )
    evidence = Evidence.of(log, catalogue, crowd_statistics(log))
    assert [evidence.habit("activity", user) for user in range(5)] == [
        "occasional", "average", "average", "average", "active"
    ]  # fmt: skip


def test_a_catalogue_without_years_or_genres_bears_out_nothing() -> None:
    catalogue = Catalogue(("a", "b"), ("a", "b"), np.zeros(2, np.int64), (), np.zeros((2, 0), np.bool_))
    log = Interactions.from_columns(
        np.zeros(2, np.int64), np.arange(2), np.array([1.0, 5.0]), None, n_users=1, n_items=2, scale=(1, 5)
    )
    evidence = Evidence.of(log, catalogue, crowd_statistics(log))
    assert decades_of(catalogue) == []
    assert ClaimReader((), []).read("loves westerns of the 1990s") == []
    assert evidence.habit("rating", 0) == "fair"


def test_ungrounded_statements_are_thrown_out_and_counted(evidence: Evidence) -> None:
    counts: Counter[str] = Counter()
    draft = Draft(
        habits=(("rating", "generous"), ("activity", "active")),
        long_term=Notes(
            "Loves westerns. Hates the 1980s with a passion! Drawn to dust and silence.",
            ("loves Western", "loves Comedy", "says hello"),
        ),
        short_term=Notes("Avoids westerns.", ("likes Western",)),
    )
    reader = ClaimReader(GENRES, [1980, 1990])
    profile = Evaluator(reader, counts).check(draft, evidence, 0)
    assert profile.habits == ("generous",)
    assert profile.long_term.text == "Loves westerns. Drawn to dust and silence."
    assert profile.long_term.claims == ("loves Western",)
    assert profile.short_term.text == ""
    assert profile.short_term.claims == ("likes Western",)
    assert counts == {
        "claims grounded": 4,
        "claims ungrounded": 4,
        "claims unclear": 1,
        "sentences grounded": 1,
        "sentences ungrounded": 2,
        "sentences without a claim": 1,
    }
    assert profile.text() == (
        "generous; loves Western; Loves westerns. Drawn to dust and silence.; lately likes Western"
    )


@pytest.mark.parametrize(("free_text", "text"), [(True, "Drawn to dust. Loves westerns."), (False, "Loves westerns.")])
def test_sentences_without_a_claim_are_counted_and_stay_only_if_wanted(
    evidence: Evidence, free_text: bool, text: str
) -> None:
    counts: Counter[str] = Counter()
    draft = Draft((), Notes("Drawn to dust. Loves westerns. Hates westerns.", ()), Notes("Dreams.", ()))
    evaluator = Evaluator(ClaimReader(GENRES, [1980, 1990]), counts, free_text=free_text)
    profile = evaluator.check(draft, evidence, 0)
    assert profile.long_term.text == text
    assert profile.short_term.text == ("Dreams." if free_text else "")
    assert {name: count for name, count in counts.items() if name.startswith("sentences")} == {
        "sentences grounded": 1,
        "sentences ungrounded": 1,
        "sentences without a claim": 2,
    }
