"""What becomes of profiles and reasons that a chat model writes: asked for, turned away, borne out, and by chance.

    personagym profile --model smollm2 --split paper --users 8 --output runs/profiles.json
    python benchmarks/ablations/written_texts.py

The floor is chance: of each trait a word out of three, and of likings the share of everything that the form of an
answer lets a model claim of these users, each genre and decade that they rated with each verb, that ratings bear out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from ablations.memory_results import WrittenTexts, written_texts_table
from personagym_agents.llm.answers import AnswerLimits
from personagym_agents.llm.batches import Batch
from personagym_agents.llm.claims import ClaimReader
from personagym_agents.llm.evidence import Evidence, decades_of
from personagym_agents.llm.forms import claims_of_batch
from personagym_agents.llm.profile_store import ProfileStore
from personagym_agents.llm.reasons import ReasonStore
from personagym_benchmarks.cli.data import load_split
from personagym_benchmarks.console import make_console
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, IntArray
from personagym_env.data.traits import crowd_statistics
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import RatioOfSums, interval, user_resamples
from personagym_env.evaluation.reporting.terminal import rich_table


@dataclass(frozen=True)
class Args:
    """What was written."""

    profiles: Path = Path("runs/profiles.json")
    """By `personagym profile`."""
    reasons: Path | None = None
    """By `personagym reasons`; None if there are none."""
    dataset: str = "ml-100k"
    """Name or path of the data."""
    split: str = "paper"
    """Which rows are training rows."""
    resamples: int = 2000
    """Draws of users for the interval."""
    output: Path = Path("runs/written_texts.json")
    """Where the JSON goes."""


def by_chance(dataset: Dataset, split: Split, users: IntArray) -> RatioOfSums:
    """Claims that hold and all that could be made, of each of some users."""
    train, catalogue = split.train, dataset.catalogue
    evidence = Evidence.of(train, catalogue, crowd_statistics(train))
    reader = ClaimReader(catalogue.genre_names, decades_of(catalogue))
    owners, holds = [], []
    for place, user in enumerate(users.tolist()):
        everything = Batch(user, slice(int(train.indptr[user]), int(train.indptr[user + 1])), 0)
        for words in claims_of_batch(everything, train, catalogue):
            claims = reader.read(words)
            owners += [place] * bool(claims)
            holds += [all(evidence.holds(claim, user) for claim in claims)] * bool(claims)
    return RatioOfSums.of_users(np.array(owners), np.array(holds, np.float64), len(users))


def study(args: Args) -> WrittenTexts:
    """Count what was written, and what chance would have.

    Raises:
        ValueError: a file is missing, or about other rows.
    """
    dataset, split = load_split(args.dataset, args.split)
    book = ProfileStore.load(args.profiles)
    book.require(split.train)
    reasons = None if args.reasons is None else ReasonStore.load(args.reasons, dataset)
    if reasons is not None:
        reasons.texts(split.train)
    written = (book.whole, *book.left_out)
    users = np.flatnonzero([profile is not None for profile in book.whole])
    if not len(users):
        raise ValueError(f"{args.profiles} holds no profile: expected at least one")
    chance = by_chance(dataset, split, users)
    resamples = user_resamples(len(users), args.resamples, np.random.default_rng(0))
    return WrittenTexts(
        users=len(users),
        profiles=sum(profile is not None for profiles in written for profile in profiles),
        counts=book.counts,
        habits=sum(len(profile.habits) for profiles in written for profile in profiles if profile is not None),
        likings_by_chance=interval(chance.resampled(resamples)),
        reason_counts={} if reasons is None else reasons.counts,
        setting=recorded(args) | {"limits": recorded(AnswerLimits()), "made": dict(book.made)},
        environment=environment_snapshot(),
    )


def main(args: Args) -> None:
    """Count, print and write."""
    found = study(args)
    make_console().print(rich_table(written_texts_table(found)))
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
