"""The user agents that have a name, and the one function that finds users by name, path or entry point."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, cast

from gymnasium import logger

from personagym_agents.bundle import manifest
from personagym_agents.bundle.manifest import find_shipped, may_have_read
from personagym_agents.variants import VARIANTS, Variant
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import UserAgent

Loader = Callable[[Dataset, Interactions, str | None], UserAgent]
"""From a data set, its training rows and a device to users."""
FROZEN = "frozen:"
"""Before the name of users who answer as they do when a session opens, from a table that fills itself."""
OBSERVED = "observed"
"""The name of real answers, which need a log in which somebody rated everything."""
FALLBACK_NAME = "mf"
"""What "default" stands for where a shipped base has read the log, but no shipped bundle was trained on the rows."""
FAST_NAME = "persona-fast"
"""Users of the small shipped bundle."""
_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class UserAgentSpec:
    """Users that have a name."""

    kind: Literal["classical", "language model", "variant", "any"]
    """What answers; "any" where that depends on the data."""
    description: str
    """For people, in one line."""
    load: Loader


def _classical(name: str) -> Loader:
    def load_classical(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
        from personagym_agents.classical.users import fit_classical

        return fit_classical(name, train, catalogue=dataset.catalogue)

    return load_classical


def _observed(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
    from personagym_agents.classical.observed import ObservedUsers

    return ObservedUsers(dataset.interactions)


def _bundle(place: Path | None) -> Loader:
    def load_bundle(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
        # Here, because it imports torch, which classical users do not need.
        from personagym_agents.bundle.storage import bundle_users

        return bundle_users(place, dataset, train, device=device)

    return load_bundle


def _fast(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
    from personagym_agents.bundle.storage import bundle_users

    users = bundle_users(manifest.FAST, dataset, train, device=device)
    users.name = FAST_NAME
    return users


def _zero_shot(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
    from personagym_agents.bundle.zero_shot import zero_shot_users

    return zero_shot_users(dataset, train, device=device)


def _variant(variant: Variant) -> Loader:
    def load_variant(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
        return variant.fit(dataset, train, device=device)

    return load_variant


def _default(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
    place = find_shipped(train)
    if place is not None:
        return _bundle(place)(dataset, train, device)
    if not may_have_read(train):
        return _zero_shot(dataset, train, device)
    logger.warn(
        f"the shipped bases have read other rows of {dataset.name!r} than these training rows, and those may be held "
        f"out here: {FALLBACK_NAME!r} users take their place; `personagym train` makes users of these rows"
    )
    return USER_AGENTS[FALLBACK_NAME].load(dataset, train, device)


USER_AGENTS: Mapping[str, UserAgentSpec] = {
    "default": UserAgentSpec(
        "any", "`persona` where a shipped bundle was trained on the rows, else `zero-shot`", _default
    ),
    "persona": UserAgentSpec("language model", "the shipped bundle: an adapter for each persona", _bundle(None)),
    FAST_NAME: UserAgentSpec(
        "language model", "a smaller shipped bundle: one layer, lines without titles, no history", _fast
    ),
    "zero-shot": UserAgentSpec(
        "language model", "the shipped base on any log: nothing trained, a memory and a link fitted", _zero_shot
    ),
    "mf": UserAgentSpec("classical", "variational matrix factorisation", _classical("mf")),
    "knn": UserAgentSpec("classical", "item neighbours on rating residuals", _classical("knn")),
    "trees": UserAgentSpec(
        "classical", "boosted trees on cross-fitted evidence, years and genres", _classical("trees")
    ),
    "stack": UserAgentSpec(
        "classical", "feature-weighted stacking of rating models, genres and titles", _classical("stack")
    ),
    "bias": UserAgentSpec("classical", "user and item means", _classical("bias")),
    OBSERVED: UserAgentSpec(
        "classical", "the real ratings of people who rated everything, held-out ones too: a truth, no judge", _observed
    ),
} | {name: UserAgentSpec("variant", variant.description, _variant(variant)) for name, variant in VARIANTS.items()}
"""Users by name. Each takes the prefix `FROZEN` too."""


def user_agent_names() -> tuple[str, ...]:
    """Every name that `load` takes, with and without prefix."""
    return (*USER_AGENTS, *(f"{FROZEN}{name}" for name in USER_AGENTS))


def load(name: str, dataset: Dataset, train: Interactions, *, device: str | None = None) -> UserAgent:
    """Users of a data set.

    Args:
        name: one of `USER_AGENTS`; or the folder of a bundle; or `module:function`, which is called with data set and
            training rows. `frozen:NAME` are the users of any such name whose answers do not change within a session
            and come from a table that fills itself.
        dataset: catalogue and attributes of the users.
        train: rows that the users may know.
        device: where a language model runs, as `torch` names it; None takes a GPU if there is one. Classical users do
            without.

    Raises:
        ValueError: the name is unknown, there is no such device, users from an entry point are given a device, or
            `train` does not fit the data set or the bundle.
    """
    shape, expected = (train.n_users, train.n_items), (len(dataset.users), len(dataset.catalogue))
    if shape != expected:
        raise ValueError(f"train counts {shape} users and items, but data set {dataset.name!r} has {expected}")
    if name.startswith(FROZEN):
        from personagym_agents.classical.static_cached import StaticCachedUsers

        return StaticCachedUsers(load(name.removeprefix(FROZEN), dataset, train, device=device))
    return _loader(name)(dataset, train, device)


def check_name(name: str) -> None:
    """Nothing, if `load` knows users of that name.

    Raises:
        ValueError: it does not.
    """
    _loader(name.removeprefix(FROZEN))


def _loader(name: str) -> Loader:
    """What makes the users of a name without prefix."""
    if name in USER_AGENTS:
        return USER_AGENTS[name].load
    if name and Path(name).is_dir():
        return _bundle(Path(name))
    if _ENTRY_POINT.fullmatch(name):
        return _entry_point(name)
    raise ValueError(_unknown(name))


def _entry_point(name: str) -> Loader:
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function, None)
    except ModuleNotFoundError as error:
        # A module that the users' own module lacks is another error, with a name of its own.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"{_unknown(name)}; there is no module {error.name!r} here") from error
    if not callable(found):
        raise ValueError(f"{_unknown(name)}; module {module!r} has no function {function!r}")

    def load_from_entry_point(dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
        if device is not None:
            raise ValueError(f"users from {name!r} choose their device themselves: leave out device, got {device!r}")
        return cast(UserAgent, found(dataset, train))

    return load_from_entry_point


def _unknown(name: str) -> str:
    known = ", ".join(repr(known) for known in USER_AGENTS)
    return (
        f"unknown users {name!r}: expected one of {known}, the directory of a bundle, or an entry point "
        f"'module:function', each with or without the prefix {FROZEN!r}"
    )
