"""Interviews users about taste and items, and holds what they say against their held-out rows.

Shapes: u users of the log, of whom b are interviewed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from personagym_agents.interviews.contrasts import Contrasts, ItemClaim, Rows, Said
from personagym_agents.interviews.interview import Interview, unrated
from personagym_agents.interviews.speech import ChatVoice
from personagym_agents.interviews.statements import taste_claims
from personagym_agents.llm.answer_cache import AnswerCache, CachedChat
from personagym_agents.llm.claims import Choosing, Habit, Liking
from personagym_agents.llm.profiling import open_chat
from personagym_benchmarks.interviews.settings import InterviewSettings
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import IntArray, Interactions
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples
from personagym_env.evaluation.interviews.board import Interviews, Spoken, StatementRow
from personagym_env.fit_cache.kept import keeping_fits
from personagym_env.run_context import RunContext

COMPOSED = "composed"
Claims = Mapping[int, Sequence[Said]]
"""By user."""
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "likings": Liking,
    "choices": Choosing,
    "rating": Habit,
    "taste": (Liking, Choosing, Habit),
    "items": ItemClaim,
}


class _Truth(NamedTuple):
    """What claims are held against."""

    people: IntArray
    """(b,) who is interviewed."""
    others: IntArray
    """(b,) whose statements stand for theirs."""
    held_out: Contrasts
    done: Contrasts
    """What the users answer about items that no filter has looked at."""
    weights: np.ndarray
    """(1 + resamples, b)"""


def run(settings: InterviewSettings, context: RunContext) -> Interviews:
    """Interview, filter and judge."""
    from personagym_agents import load

    settings.check()
    dataset = load_dataset(settings.dataset)
    train, test = named_split(dataset).split
    with keeping_fits():
        agent = load(settings.agent, dataset, train)
    rng = np.random.default_rng(settings.seed)
    interview = Interview(agent, dataset, train, rng=rng)
    telling = np.flatnonzero((test.counts > 0) & (train.counts > 0))
    if len(telling) < settings.users:
        raise ValueError(f"users must be at most the {len(telling)} who have rows to be held out, got {settings.users}")
    people = np.sort(rng.permutation(telling)[: settings.users])
    order = rng.permutation(len(people))
    others = np.empty_like(people)
    others[order] = people[np.roll(order, 1)]
    told, asked = unrated(train, people, 2 * settings.items, rng)
    with context.bar("answers", 1) as bar:
        said = interview.answers(told, asked)
        bar(1)
    first = np.zeros(len(told), np.bool_)
    for user in people:
        mine = np.flatnonzero(told == user)
        first[mine[: len(mine) // 2]] = True
    catalogue = dataset.catalogue

    def contrasts(rows: Rows) -> Contrasts:
        return Contrasts.of(rows, interview.crowd, catalogue, interview.means)

    seen = contrasts(said.some(first))
    weights = user_resamples(len(people), settings.resamples, np.random.default_rng(settings.seed))
    truth = _Truth(people, others, contrasts(Rows.of_log(test)), contrasts(said.some(~first)), weights)
    composed = {int(user): list(taste_claims(interview.evidence, int(user))) for user in people}
    kept = {
        user: [one for one in claims if seen.bears_out(one, user) is not False] for user, claims in composed.items()
    }
    rows = [*_rows(COMPOSED, False, composed, composed, truth), *_rows(COMPOSED, True, kept, kept, truth)]
    own, swapped = _item_claims(interview, test, truth, settings.asked)
    rows += _rows(COMPOSED, False, own, swapped, truth)
    spoken: list[Spoken] = []
    if settings.chat is not None:
        chat_rows, one = _spoken(settings, settings.chat, interview, seen, truth, context)
        rows += chat_rows
        spoken.append(one)
    return Interviews(
        users=len(people),
        agent=agent.name,
        rows=tuple(rows),
        spoken=tuple(spoken),
        setting=recorded(replace(settings, chat=None, base_url=None)),
        environment=environment_snapshot(),
    )


def _spoken(
    settings: InterviewSettings, chat: str, interview: Interview, seen: Contrasts, truth: _Truth, context: RunContext
) -> tuple[list[StatementRow], Spoken]:
    """What a chat model says of every user, before and after the filter."""
    counts: Counter[str] = Counter()
    people = truth.people.tolist()
    with open_chat(chat, base_url=settings.base_url) as model:
        cached = CachedChat(model, AnswerCache(context.folder))
        voice = ChatVoice(cached, interview.dataset, interview.train, interview.evidence)
        said = voice.on_taste(people, counts)
    before = {user: [claim for one in said[user] for claim in one.claims] for user in people}
    after = {
        user: [claim for one in said[user] if interview.holds(one.claims, user, seen) for claim in one.claims]
        for user in people
    }
    name = chat.rstrip("/").rpartition("/")[2]
    total, left = (sum(map(len, claims.values())) for claims in (before, after))
    rows = [*_rows(name, False, before, before, truth), *_rows(name, True, after, after, truth)]
    return rows, Spoken(name, counts["sentences"], counts["sentences without a claim"], total, total - left)


def _item_claims(interview: Interview, test: Interactions, truth: _Truth, count: int) -> tuple[Claims, Claims]:
    """What users, and others in their place, say of some of their held-out items: above or below the own mean."""
    pairs = [
        (int(user), int(other), int(item))
        for user, other in zip(truth.people, truth.others, strict=True)
        for item in test.items[test.indptr[user] : test.indptr[user + 1]][:count]
    ]
    items = np.array([item for _, _, item in pairs])
    found: list[dict[int, list[Said]]] = []
    for side in (0, 1):
        users = np.array([pair[side] for pair in pairs])
        above = interview.answers(users, items).ratings > interview.means[users]
        claims: dict[int, list[Said]] = {}
        for user, item, high in zip(users.tolist(), items.tolist(), above.tolist(), strict=True):
            claims.setdefault(user, []).append(ItemClaim(item, 1 if high else -1))
        found.append(claims)
    return found[0], found[1]


def _rows(voice: str, filtered: bool, claims: Claims, swapped: Claims, truth: _Truth) -> Iterator[StatementRow]:
    """One row for each kind of claim that was made."""
    for kind, types in _KINDS.items():
        own = [[one for one in claims.get(user, ()) if isinstance(one, types)] for user in truth.people.tolist()]
        if not any(own):
            continue
        theirs = [[one for one in swapped.get(user, ()) if isinstance(one, types)] for user in truth.others.tolist()]
        held = _verdicts(own, truth.people, truth.held_out)
        chance = _verdicts(theirs, truth.people, truth.held_out)
        samples, by_chance = held.resampled(truth.weights), chance.resampled(truth.weights)
        done = Interval(np.nan, np.nan, np.nan)
        if kind != "items":  # what is said of an item is read off the very answer
            done = interval(_verdicts(own, truth.people, truth.done).resampled(truth.weights))
        yield StatementRow(
            voice=voice,
            filtered=filtered,
            kind=kind,
            claims=sum(map(len, own)),
            judged=int(held.count.sum()),
            borne_out=interval(samples),
            swapped=interval(by_chance),
            gain=interval(samples - by_chance),
            consistent=done,
        )


def _verdicts(claims: Sequence[Sequence[Said]], people: IntArray, rows: Contrasts) -> RatioOfSums:
    """Claims that the rows of (b,) people bear out, over those that they can judge."""
    verdicts = [
        [verdict for claim in said if (verdict := rows.bears_out(claim, user)) is not None]
        for said, user in zip(claims, people.tolist(), strict=True)
    ]
    return RatioOfSums(
        np.array([sum(found) for found in verdicts], np.float64),
        np.array([len(found) for found in verdicts], np.float64),
    )
