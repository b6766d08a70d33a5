"""What the numbers chosen by hand do: the constants of the memory's readings, and those of the profile's words.

`python benchmarks/ablations/constants.py` halves and doubles each setting of `memory.co_consumption` and prints how
well each reading tells what users took next from what they never took: the mean area under the curve over users, with
an interval of the difference to the defaults. It looks at training rows alone: each user's last fifth of them is asked
about, the rest is what the readings know. Then it prints how many users each word of `documents.profile` tells of.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import tyro
from rich.table import Table
from scipy.stats import rankdata

from personagym_agents.documents.profile import CONFORMITY, DIVERSITY, SPREAD, STRICTNESS, StatisticalProfileWriter
from personagym_agents.inference.language_users import recent_rows
from personagym_agents.memory.co_consumption import (
    READINGS,
    CoConsumptionSettings,
    Histories,
    fit_co_consumption,
)
from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Dataset, FloatArray, Interactions
from personagym_env.data.traits import crowd_statistics, user_traits
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples
from personagym_env.files import write_atomically

WORDS = (
    *("generous", "fair", "strict", "contrary", "moderate", "conformist", "even", "balanced", "extreme"),
    *("focused", "varied", "curious", "loves", "likes", "dislikes", "hates", "lately", "no marked taste"),
)
BANDS = {"strictness": STRICTNESS, "conformity": CONFORMITY, "spread": SPREAD, "diversity": DIVERSITY}


@dataclass(frozen=True)
class Args:
    """What to measure."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    train_share: float = 0.8
    """Share of each user's rows, by time, that are training rows."""
    history_lines: int = 8
    """Latest ratings that a document shows; profiles tell of those before."""
    resamples: int = 1_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Draws the resamples."""
    output: Path = Path("runs/constants.json")
    """Where the JSON goes."""


@dataclass(frozen=True)
class Effect:
    """What one setting does to one reading."""

    setting: str
    value: float | None
    """None for the defaults."""
    reading: str
    auc: float
    """Mean over users."""
    difference: Interval
    """To the defaults, over users."""


def user_auc(split: Split, settings: CoConsumptionSettings) -> FloatArray:
    """(u, c) chance that a reading puts a late item above one that is in no row; NaN for users without late items."""
    early, late = split
    found = np.full((early.n_users, len(READINGS)), np.nan)
    model = fit_co_consumption(early, settings)
    for user in np.flatnonzero(late.counts):
        readings = model.readings(Histories(early, np.array([user]), settings=settings))[0]  # (m, c)
        new = np.delete(np.arange(early.n_items), early.items[early.users == user])
        asked = np.isin(new, late.items[late.users == user])
        ranks = rankdata(readings[new], axis=0)[asked]
        taken, never = int(asked.sum()), int((~asked).sum())
        if never:
            found[user] = (ranks.sum(axis=0) - taken * (taken + 1) / 2) / (taken * never)
    return found


def variants(settings: CoConsumptionSettings) -> Iterator[tuple[str, float, CoConsumptionSettings]]:
    """Each setting halved and doubled, by name and value."""
    for field in fields(settings):
        usual = getattr(settings, field.name)
        for value in (usual / 2, usual * 2):
            yield field.name, value, replace(settings, **{field.name: type(usual)(value)})


def effects(train: Interactions, args: Args) -> list[Effect]:
    """The defaults first, then every variant, where it changes a reading."""
    split, settings = temporal_split(train, 0.8), CoConsumptionSettings()
    weights = user_resamples(train.n_users, args.resamples, np.random.default_rng(args.seed))
    usual = user_auc(split, settings)
    asked = np.isfinite(usual[:, 0])

    def effect(setting: str, value: float | None, place: int, own: FloatArray) -> Effect:
        moved = np.where(asked, own[:, place] - usual[:, place], 0.0)
        difference = interval(RatioOfSums(moved, asked.astype(np.float64)).resampled(weights))
        return Effect(setting, value, READINGS[place], float(own[asked, place].mean()), difference)

    rows = [effect("defaults", None, place, usual) for place in range(len(READINGS))]
    for setting, value, variant in variants(settings):
        own = user_auc(split, variant)
        changed = np.flatnonzero((own[asked] != usual[asked]).any(axis=0)).tolist()
        rows += [effect(setting, value, place, own) for place in changed]
    return rows


def word_shares(dataset: Dataset, train: Interactions, lines: int) -> dict[str, float]:
    """Share of users whose profile has each word of the statistical writer."""
    earlier = train.take(~recent_rows(train, lines))
    traits = user_traits(earlier, dataset.catalogue, crowd_statistics(train))
    people = np.arange(train.n_users)
    profiles = StatisticalProfileWriter().write(people, traits, dataset.catalogue, dataset.users)
    parts = [profile.split("; ") for profile in profiles]
    return {
        word: float(np.mean([any(f"{part} ".startswith(f"{word} ") for part in some) for some in parts]))
        for word in WORDS
    }


def main(args: Args) -> None:
    """Measure, print and write."""
    dataset = load_dataset(args.dataset)
    train = temporal_split(dataset.interactions, args.train_share).train
    rows, shares = effects(train, args), word_shares(dataset, train, args.history_lines)
    table = Table("setting", "value", "reading", "AUC", "difference")
    for row in rows:
        moved = "{:+.4f} ({:+.4f}..{:+.4f})".format(*row.difference)
        table.add_row(row.setting, "" if row.value is None else f"{row.value:g}", row.reading, f"{row.auc:.4f}", moved)
    console = make_console()
    console.print(table)
    console.print({word: f"{share:.0%}" for word, share in shares.items()})
    result = {
        "snapshot": environment_snapshot(),
        "dataset": args.dataset,
        "co_consumption": [asdict(row) for row in rows],
        "profile_bands": {name: band._asdict() for name, band in BANDS.items()},
        "profile_word_shares": shares,
    }
    write_atomically(args.output, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Args))
