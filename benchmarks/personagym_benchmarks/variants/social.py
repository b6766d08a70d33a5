"""Friends: whom they should be, and what their influence does to popularity over rounds."""

import numpy as np
from scipy import sparse

from personagym_agents.variants.social import Friends, SocialModel, SocialUsers, fit_social
from personagym_benchmarks.variants.asked import Asked
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.evaluation.core.statistics import Interval, over_repetitions
from personagym_env.session.random import gumbel

ROUNDS, SHOWN, REPETITIONS = 50, 10, 3
TOLD = (1, 10, 50)
MOST_USERS = 1_000
_TOP = 0.1
ALONE = "no influence"
SEARCHES = "everybody searches"
"""Who took nothing looks at what friends praised, in every round; see `personagym_env.wrappers.SearchingUsers`."""
KINDS: tuple[Friends, ...] = ("co-rating", "random", "none")


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Fidelity with real friends, strangers and nobody; and concentration with and without influence."""
    train = part.split.train
    agents = {kind: fit_social(dataset, train, seed=seed, friends=kind) for kind in KINDS}
    asked = Asked.of(part.split, {str(kind): agent for kind, agent in agents.items()}, seed)
    found = []
    for kind in KINDS[1:]:
        found += asked.difference("whose opinions count", "held-out rows", KINDS[0], kind)
    for kind in KINDS[:2]:
        found += _concentration(agents[kind], kind, seed)
    return found


def _concentration(agent: SocialUsers, kind: str, seed: int) -> list[Measurement]:
    """Share of what is taken that the most popular tenth of the items gets, by round."""
    fitted = float(agent.choice.weights[-1])
    question = "concentration of what is taken"
    weight = Interval(fitted, np.nan, np.nan)
    found = [Measurement(question, f"{kind} friends", "logits per log(1 + friends who took the item), fitted", weight)]
    runs = {
        words: np.array(
            [_rounds(agent, heed=heed, search=search, seed=seed + repetition) for repetition in range(REPETITIONS)]
        )
        for words, heed, search in (
            (ALONE, 0.0, False),
            ("fitted influence", fitted, False),
            ("influence of 1", 1.0, False),
            (SEARCHES, 0.0, True),
        )
    }
    for turn in TOLD:
        setting = f"{kind} friends, {turn} rounds of {SHOWN} random items"
        for words, shares in runs.items():
            values = shares[:, turn - 1]
            figure = f"share of the most taken tenth of items, {words}"
            if words != ALONE:
                values, figure = values - runs[ALONE][:, turn - 1], f"{figure} less {ALONE}"
            found.append(Measurement(question, setting, figure, over_repetitions(values)))
    return found


def _rounds(agent: SocialUsers, *, heed: float, search: bool, seed: int) -> FloatArray:
    """(rounds,) share of the takings so far that went to the most taken tenth of the items.

    Friends who took an item in an earlier round count with those who have it in the log, with `heed` logits. With
    `search`, those who took nothing of a slate look at what they find on their own, once.
    """
    model, rng = agent.model, np.random.default_rng(seed)
    assert isinstance(model, SocialModel)
    n_users, n_items = min(agent.n_users, MOST_USERS), agent.n_items
    users = np.arange(n_users)
    logit = agent.answers(users, model.begin(users)).choice_logit.astype(np.float64)
    before = model.friends_took(users, model.adopted)
    seen = model.adopted[users].toarray() > 0
    taken = np.zeros((agent.n_users, n_items), np.float32)
    total, share = np.zeros(n_items), np.zeros(ROUNDS)

    def show(rows: IntArray, slates: IntArray, wish: FloatArray) -> IntArray:
        """Rows that took nothing."""
        luck = gumbel(rng.random((len(rows), SHOWN + 1)))
        wishes = np.take_along_axis(wish[rows], slates, axis=1)
        best = (np.column_stack([wishes, np.zeros(len(rows))]) + luck).argmax(axis=1)
        takes = best < SHOWN
        takers, items = rows[takes], slates[takes, best[takes]]
        taken[takers, items], seen[takers, items] = 1, True
        np.add.at(total, items, 1)
        return np.asarray(rows[~takes])

    for turn in range(ROUNDS):
        slates = np.argpartition(rng.random((n_users, n_items)) + seen, SHOWN, axis=1)[:, :SHOWN]
        wish = logit
        if heed and turn:
            now = model.friends_took(users, sparse.csr_array(model.adopted + sparse.csr_array(taken)))
            wish = logit + heed * (now - before)
        idle = show(users, slates, wish)
        able = idle[(~seen[idle]).sum(axis=1) >= SHOWN] if search else idle[:0]
        if len(able):
            show(able, agent.search(able, SHOWN, seen[able]), wish)
        top = np.sort(total)[::-1][: max(1, round(_TOP * n_items))]
        share[turn] = top.sum() / max(total.sum(), 1)
    return share
