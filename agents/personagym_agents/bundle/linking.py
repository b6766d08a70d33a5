"""Users whose base answers in levels, linked to the scale of a log.

The answers are linked by what users of an earlier part of the training rows say of a later one, so a link knows how far
such answers can be trusted. The weights of the evidence, a few hundred numbers, are the same for both: fitting them
again would take half of the time.
"""

from collections.abc import Callable
from hashlib import sha256

import numpy as np

from personagym_agents.classical.choice import sample_unseen
from personagym_agents.classical.response_style import ScaleUse, fit_scale_use
from personagym_agents.documents.told import Told
from personagym_agents.inference.answer_link import AnswerLink, Beside, beside, fit_answer_link, indifferent
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.data.splits import Split, random_split, temporal_split
from personagym_env.data.tables import BoolArray, IntArray, Interactions
from personagym_env.evaluation.core.pair_reactions import PairReactions, react_to_pairs
from personagym_env.protocols import UserFingerprint

LINK_VERSION = 2
"""Raised with every change of links that moves answers by more than rounding."""
_EARLY_SHARE = 0.8
_LINK_USERS, _LINK_ROWS = 1_000, 3_000
"""Users and rows, drawn at random, that a link is fitted on at most."""
Knowing = Callable[[Interactions], LanguageUserAgent]
"""From rows, as they are told, to users who know them."""


def linked_users(
    users: LanguageUserAgent,
    knowing: Knowing,
    train: Interactions,
    *,
    name: str,
    fingerprint: UserFingerprint,
    untaught: BoolArray | None = None,
) -> LinkedUsers:
    """Users who know the training rows and answer on their scale.

    Args:
        users: who know the training rows and answer in levels.
        knowing: makes such users who know other rows.
        train: rows that the users know, as the log has them.
        name: for tables.
        fingerprint: what the users are without a link.
        untaught: (n,) training rows that no weight was trained on, where others were: the link is fitted on these.
            None, or no row, for the latest part.
    """
    if untaught is not None and untaught.any():
        early, late = Split(train.take(~untaught), train.take(untaught))
    else:
        early, late = _tail(train)
    told = users.corpus.told
    assert told is not None
    asked = users if early is train else knowing(told.log(early))
    weights = sha256(f"{fingerprint.weights} link {LINK_VERSION}".encode()).hexdigest()
    fingerprint = UserFingerprint(fingerprint.rows, weights)
    link, alone = _fit_links(asked, early, late if len(late) else train, train, told)
    return LinkedUsers(users, link, fit_scale_use(train), alone=alone, name=name, fingerprint=fingerprint)


def _tail(train: Interactions) -> Split:
    """The training rows' earlier and later part, at random where a log has no times; no later part in tiny logs."""
    rng = np.random.default_rng(0)
    timed = train.timestamps is not None
    early, late = temporal_split(train, _EARLY_SHARE) if timed else random_split(train, _EARLY_SHARE, rng=rng)
    return Split(early, late) if len(early) and len(late) else Split(train, train.take(np.zeros(len(train), np.bool_)))


def _fit_links(
    asked: LanguageUserAgent, early: Interactions, rows: Interactions, train: Interactions, told: Told
) -> tuple[AnswerLink, AnswerLink]:
    """A link fitted on rows that the asked users, who know the early ones, do not know, and one without the base."""
    rng = np.random.default_rng(0)
    known = np.flatnonzero(rows.counts)
    users = rng.choice(known, min(len(known), _LINK_USERS), replace=False)
    inside = np.flatnonzero(np.isin(rows.users, users))
    drawn = rows.take(rng.choice(inside, min(len(inside), _LINK_ROWS), replace=False))
    unseen = sample_unseen(train, drawn.users, rng)
    use = fit_scale_use(early)
    read = _beside(asked, use, drawn.users, drawn.items), _beside(asked, use, drawn.users, unseen)
    answers = [react_to_pairs(asked, drawn.users, items) for items in (drawn.items, unseen)]
    silence = PairReactions(*indifferent((len(drawn),), told.levels))
    base, alone = (
        fit_answer_link(consumed, drawn, skipped, read, told) for consumed, skipped in (answers, (silence, silence))
    )
    return base, alone


def _beside(asked: LanguageUserAgent, use: ScaleUse, users: IntArray, items: IntArray) -> Beside:
    """What a link reads about (n,) pairs."""
    corpus = asked.corpus
    codes = at_pairs(corpus.recall, users, items, corpus.train.n_items) if corpus.recalls_evidence else None
    return beside(use, corpus.crowd.counts, users, items, codes)
