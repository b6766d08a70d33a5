"""Who is asked: users by name, bundles by folder, and the controls of zero-shot users."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import personagym_agents
from personagym_agents.bundle.manifest import bundle_fits
from personagym_agents.classical.users import RATING_FITS, fit_classical
from personagym_agents.registry import check_name
from personagym_benchmarks.transfer.settings import TransferSettings
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.evaluation.fidelity.contamination import blind, shuffled_ratings
from personagym_env.evaluation.fidelity.fidelity_test import FLOORS
from personagym_env.protocols import UserAgent

ZERO_SHOT = "zero-shot"
"""The users whose controls can be asked."""
DATASET = "{dataset}"
"""Stands in a folder for the name of each log."""


@dataclass(frozen=True)
class NamedUsers:
    """A population before it is made."""

    name: str
    """For tables."""
    place: str
    """What `personagym_agents.load` takes, with or without `DATASET`."""

    @property
    def is_bundle(self) -> bool:
        """Whether it knows what it was trained on, and nothing else."""
        return DATASET in self.place or Path(self.place).is_dir()

    def at(self, dataset: str) -> str:
        """The place on a log."""
        return self.place.replace(DATASET, dataset)


def named_users(args: TransferSettings, datasets: list[str]) -> list[NamedUsers]:
    """The populations that were asked for.

    Args:
        args: names and folders.
        datasets: names of the logs.

    Raises:
        ValueError: a name is unknown or that of another population, or no log has the folder of a bundle.
    """
    found = []
    for entry in args.agents:
        name, equals, place = entry.rpartition("=") if "=" in entry else (entry, "", entry)
        users = NamedUsers(name if equals else _short(entry), place)
        places = {users.at(dataset) for dataset in datasets}
        if users.is_bundle and not any(Path(one).is_dir() for one in places):
            raise ValueError(f"users {entry!r}: there is no folder {' or '.join(sorted(places))}")
        if not users.is_bundle:
            check_name(place)
        found.append(users)
    names = [*FLOORS, *(users.name for users in found)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"populations need distinct names, and {', '.join(twice)} comes twice: name one `name=folder`")
    base = args.zero_shot_base
    bases = set() if base is None else {base.replace(DATASET, dataset) for dataset in datasets}
    if missing := sorted(one for one in bases if not Path(one).is_dir()):
        raise ValueError(f"zero_shot_base is the folder of a bundle, and there is none at {', '.join(missing)}")
    for option, chosen in (("compare", args.compare), ("refitted", args.refitted)):
        if strange := sorted(set(chosen) - {users.name for users in found}):
            raise ValueError(f"{option} must be some of {', '.join(names)}, got {', '.join(strange)}")
    if bundles := [users.name for users in found if users.is_bundle and users.name in args.refitted]:
        raise ValueError(f"refitted are users who can be fitted to fewer rows, and bundles cannot: {bundles}")
    return found


def _short(place: str) -> str:
    """The last part of the path of a folder; a name as it is."""
    return Path(place).name if Path(place).is_dir() else place


def why_left_out(users: NamedUsers, dataset: Dataset, train: Interactions) -> str | None:
    """Why a population cannot be asked on a log; None if it can."""
    place = users.at(dataset.name)
    if not users.is_bundle:
        return None
    if not Path(place).is_dir():
        return f"there is no folder {place}"
    return None if bundle_fits(Path(place), train) else "was trained on other rows"


def make_users(users: NamedUsers, args: TransferSettings, dataset: Dataset, train: Interactions) -> UserAgent:
    """The population, from the training rows alone.

    Raises:
        ValueError: see `personagym_agents.load`.
    """
    known = blind(dataset, train)
    if users.place in RATING_FITS:
        # Without a table of the answers to everything, most of which nobody asks for.
        return fit_classical(users.place, train, catalogue=dataset.catalogue, table_cells=0)
    if users.place == ZERO_SHOT and args.zero_shot_base is not None:
        # Here, because it imports torch, which classical users do not need.
        from personagym_agents.bundle.zero_shot import zero_shot_users

        return zero_shot_users(known, train, place=Path(args.zero_shot_base.replace(DATASET, dataset.name)))
    return personagym_agents.load(users.at(dataset.name), known, train)


def zero_shot_controls(
    users: UserAgent, args: TransferSettings, dataset: Dataset, train: Interactions
) -> Iterator[tuple[str, Callable[[], UserAgent]]]:
    """Name and maker of each control of zero-shot users."""
    from personagym_agents.bundle.manifest import BUNDLED, find_shipped
    from personagym_agents.bundle.zero_shot import zero_shot_users
    from personagym_agents.inference.linked_users import LinkedUsers
    from personagym_agents.probes.link_controls import SilentBase, with_masked_memory, with_memory_of_others

    assert isinstance(users, LinkedUsers)

    def rng() -> np.random.Generator:
        return np.random.default_rng(args.seed)

    def shuffled() -> UserAgent:
        rows = shuffled_ratings(train, rng())
        base = args.zero_shot_base
        place = find_shipped(train) or BUNDLED if base is None else Path(base.replace(DATASET, dataset.name))
        return zero_shot_users(blind(dataset, rows), rows, place=place)

    name = users.name
    yield f"{name}, link alone", lambda: SilentBase(users)
    yield f"{name}, memory masked", lambda: with_masked_memory(users, rng())
    yield f"{name}, memory of others", lambda: with_memory_of_others(users, rng())
    yield f"{name}, shuffled ratings", shuffled
