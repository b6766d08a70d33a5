"""Users for any log, ready at once: the base of a shipped bundle, which has never read it, and a memory fitted on it.

Nothing is trained. The log is told on the base's scale, what users recall is fitted on the training rows, and the
answers are linked to the log's own scale by what users of an earlier part of the training rows say of a later one.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from personagym_agents.bundle.manifest import BUNDLED, bundle_hash, find_shipped, may_have_read, read_manifest
from personagym_agents.classical.choice import sample_unseen
from personagym_agents.classical.link import Spread, fit_spread
from personagym_agents.documents.corpus import Corpus
from personagym_agents.documents.told import Told, fit_told
from personagym_agents.inference.language_users import LanguageUserAgent, recent_rows
from personagym_agents.inference.linked_users import AnswerLink, LinkedUsers, fit_answer_link, scatter_at
from personagym_agents.memory.cross_fitted import recall_rows
from personagym_agents.memory.evidence import Memory
from personagym_agents.model.causal_lm import chosen_device, load_base, place_on, quietly
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.data.splits import Split, random_split, temporal_split
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.protocols import UserFingerprint

NAME = "zero-shot"
FIT_VERSION = 1
"""Raised with every change of what is fitted to a log that moves answers by more than rounding."""
_LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
"""What the shipped bases answer in."""
_MEAN, _SPREAD = 3.53, 1.13
"""Of the ratings that the shipped bases have read."""
_TITLE_TOKENS = 48
"""Of a title at most: texts that the tokenizer was not made for cost several tokens a word."""
_EARLY_SHARE = 0.8
_LINK_USERS, _LINK_ROWS = 400, 3_000
"""Users and rows, drawn at random, that a link is fitted on at most."""


def zero_shot_users(
    dataset: Dataset, train: Interactions, *, place: Path | None = None, device: str | None = None
) -> LinkedUsers:
    """Users of a log that no base has read.

    Args:
        dataset: texts of items and users.
        train: rows that the users may know.
        place: folder of the bundle whose base reads, and which has read nothing of the log; None for the shipped one of
            these rows, else the first.
        device: where the model runs, as `torch` names it; None takes a GPU if there is one.

    Raises:
        ValueError: there are no rows, a shipped base may have read rows that are held out here, or there is no such
            device.
    """
    chosen = chosen_device(device)
    if place is None and may_have_read(train):
        raise ValueError(
            f"the shipped bases have read other rows of {dataset.name!r} than these training rows, and those may be "
            "held out here: train a bundle on these rows with `personagym train`"
        )
    place = place or find_shipped(train) or BUNDLED
    told = fit_told(train, _LEVELS, _MEAN, _SPREAD)
    lines = read_manifest(place).settings.history_lines
    with quietly():
        model, tokenizer = load_base(place / "base")
    place_on(model, chosen)
    early, late = _tail(train)
    asked = _untrained_users(dataset, early, told, model, tokenizer, lines)
    link = _fit_link(asked, early, late if len(late) else train, train)
    users = asked if early is train else _untrained_users(dataset, train, told, model, tokenizer, lines)
    weights = sha256(f"{NAME} {FIT_VERSION} {bundle_hash(place)} {next(model.parameters()).dtype}".encode()).hexdigest()
    fingerprint = UserFingerprint(train.fingerprint(), weights)
    return LinkedUsers(users, link, _spread(train), name=NAME, fingerprint=fingerprint)


def _spread(train: Interactions) -> Spread:
    """How widely ratings scatter around what user and item bias expect."""
    bias = fit_factors(train, FactorSettings(rank=0))
    return fit_spread(train, bias.global_mean + bias.user_bias[train.users] + bias.item_bias[train.items])


def _tail(train: Interactions) -> Split:
    """The training rows' earlier and later part, at random where a log has no times; no later part in tiny logs."""
    rng = np.random.default_rng(0)
    timed = train.timestamps is not None
    early, late = temporal_split(train, _EARLY_SHARE) if timed else random_split(train, _EARLY_SHARE, rng=rng)
    return Split(early, late) if len(early) and len(late) else Split(train, train.take(np.zeros(len(train), np.bool_)))


def _untrained_users(
    dataset: Dataset,
    train: Interactions,
    told: Told,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lines: int,
) -> LanguageUserAgent:
    """Users who know the rows and answer in levels."""
    log = told.log(train)
    shown = np.flatnonzero(recent_rows(log, lines))
    own = recall_rows(log, shown, np.random.default_rng(0), told.levels)
    memory = Memory(log, own, scale=told.levels)
    corpus = Corpus.build(dataset, log, tokenizer, memory=memory, told=told, title_tokens=_TITLE_TOKENS)
    return LanguageUserAgent(model, corpus, name=NAME, history_lines=lines)


def _fit_link(asked: LanguageUserAgent, early: Interactions, rows: Interactions, train: Interactions) -> AnswerLink:
    """A link fitted on rows that the asked users, who know the early ones, do not know."""
    rng = np.random.default_rng(0)
    known = np.flatnonzero(rows.counts)
    users = rng.choice(known, min(len(known), _LINK_USERS), replace=False)
    inside = np.flatnonzero(np.isin(rows.users, users))
    drawn = rows.take(rng.choice(inside, min(len(inside), _LINK_ROWS), replace=False))
    unseen = sample_unseen(train, drawn.users, rng)
    consumed, skipped = (react_to_pairs(asked, drawn.users, items) for items in (drawn.items, unseen))
    scatter = scatter_at(_spread(early), drawn.users, drawn.items)
    return fit_answer_link(consumed, drawn.rating_index, skipped, scatter, scale=train.scale, levels=_LEVELS)
