"""A world: a data set, what of it may be known, the users that react, and the parameters of their sessions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import cast

from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.card import SimulationCard, simulation_card
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Dataset, FloatArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.fit_cache.kept import keeping_fits
from personagym_env.protocols import UserAgent
from personagym_env.session.fitting.sessions import SessionFit, fit_sessions
from personagym_env.session.kernel import Dynamics
from personagym_env.session.parameters import SessionParameters
from personagym_env.text import one_line

DEFAULT_AGENTS = "personagym_agents:load"
"""What finds user agents by name; a string, because the world does not import its users."""


@dataclass(frozen=True, eq=False, repr=False)
class World:
    """Everything that sessions need and share. It holds no session, so any number of environments can use one world."""

    dataset: Dataset
    train: Interactions
    """The rows that are known: profiles, already rated items and fits see these alone."""
    agent: UserAgent
    parameters: SessionParameters
    fit: SessionFit = field(default_factory=SessionFit)
    """Where the parameters come from; empty if none was fitted."""

    def __post_init__(self) -> None:
        log, agent = self.dataset.interactions, self.agent
        for name, ours, theirs in (
            ("users", log.n_users, agent.n_users),
            ("items", log.n_items, agent.n_items),
            ("rating scale", log.scale, agent.scale),
        ):
            if ours != theirs:
                raise ValueError(f"user agent {agent.name!r} was made for {name} {theirs}, the data set has {ours}")
        if (self.train.n_users, self.train.n_items, self.train.scale) != (log.n_users, log.n_items, log.scale):
            raise ValueError(f"the training log {self.train!r} does not belong to {self.dataset!r}")

    def __repr__(self) -> str:
        return f"World({self.dataset.name!r}, {len(self.train)} training rows, users {self.agent.name!r})"

    @cached_property
    def profiles(self) -> FloatArray:
        """(u, f) float32: what policies may know about each user, from training rows."""
        return profile_features(user_traits(self.train, self.dataset.catalogue))

    @cached_property
    def dynamics(self) -> Dynamics:
        """What the kernel looks up."""
        return Dynamics.of(self.parameters, self.dataset.catalogue, self.train.scale)

    @cached_property
    def benchmark(self) -> Benchmark:
        """What is measured in this world was measured in."""
        return Benchmark.of(self.dataset, user_hashes([self.agent]), known=self.train, parameters=self.parameters)

    @property
    def benchmark_hash(self) -> str | None:
        """Agrees between worlds exactly if sessions go the same way in both; None where the users cannot tell."""
        return self.benchmark.hash

    def card(self) -> SimulationCard:
        """Which parameters are fitted, assumed or set."""
        title = f"{self.dataset.name}: {len(self.train):,} training rows, users {self.agent.name}"
        return replace(simulation_card(one_line(title), self.parameters, self.fit), benchmark=self.benchmark)


def _load_agent(agent: str, dataset: Dataset, train: Interactions, device: str | None) -> UserAgent:
    module, _, function = DEFAULT_AGENTS.partition(":")
    load = cast(Callable[..., UserAgent], getattr(import_module(module), function))
    return load(agent, dataset, train, device=device)


def make_world(
    dataset: str | Path | Dataset = "ml-100k",
    agent: str | Path | UserAgent = "default",
    *,
    split: str | None = None,
    train_share: float | None = None,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
    device: str | None = None,
) -> World:
    """Build a world from names, paths and numbers.

    What takes long to fit is kept in the cache folder (`personagym_env.fit_cache.kept`), and taken from there the next
    time.

    Args:
        dataset: a name or path for `personagym_env.data.sources.load_dataset`, or the data set itself.
        agent: what `personagym_agents.load` takes - a name such as "mf" or "frozen:persona", the path of a bundle, or
            an entry point `module:function` that is called with the data set and the training log - or the user agent
            itself.
        split: which rows are known, by a name of `personagym_env.data.named_splits`; None for each user's first rows by
            time, or random rows where the log has no times.
        train_share: share of the rows that is known; 0.8 if None.
        parameters: session parameters that are set rather than fitted or assumed, for example
            `{"choice": {"outside": 1.0}}`.
        device: where a language model of a name or bundle runs, as `torch` names it; None takes a GPU if there is one.

    Raises:
        TypeError: data set or user agent are something else.
        ValueError: there is no such device, or a device is named for users from an entry point.
    """
    if not isinstance(dataset, str | Path | Dataset):
        raise TypeError(f"dataset must be a name, a path or a Dataset, got {dataset!r}")
    if not isinstance(agent, str | Path | UserAgent):
        raise TypeError(f"agent must be a name, a path or a UserAgent (see personagym_env.protocols), got {agent!r}")
    data = dataset if isinstance(dataset, Dataset) else load_dataset(dataset)
    train = named_split(data, split, train_share).split.train
    chosen = parameters or {}
    with keeping_fits():
        fit = fit_sessions(train, SessionParameters().updated(chosen), catalogue=data.catalogue)
        users = _load_agent(str(agent), data, train, device) if isinstance(agent, str | Path) else agent
    return World(data, train, users, fit.apply(SessionParameters()).updated(chosen), fit)
