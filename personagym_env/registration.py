"""Registration with Gymnasium, and the functions that build environments from arguments that fit into JSON."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from personagym_env.benchmark import ENV_ID
from personagym_env.env import MAX_EPISODE_STEPS, PersonaRecEnv
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import make_world


def register_envs() -> None:
    """Make `PersonaRec-v0` known to Gymnasium; calling it again changes nothing."""
    if ENV_ID not in gym.registry:
        gym.register(
            ENV_ID,
            entry_point=f"{__name__}:make_env",
            vector_entry_point=f"{__name__}:make_vector_env",
            max_episode_steps=MAX_EPISODE_STEPS,
        )


def make_env(
    dataset: str = "ml-100k",
    agent: str = "default",
    split: str | None = None,
    train_share: float | None = None,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
    device: str | None = None,
    **kwargs: Any,
) -> PersonaRecEnv:
    """What `gym.make("PersonaRec-v0")` calls: a world of its own, then the environment.

    `gym.make` keeps `max_episode_steps` to itself and wraps the environment in `TimeLimit`, so the environment itself
    has no limit here, and sessions end where the caller of `gym.make` says, shorter or longer than the default.

    Args:
        dataset: see `make_world`, as the next five.
        agent: name, bundle path or entry point of the users.
        split: which rows are known, by name.
        train_share: share of the rows that is known.
        parameters: session parameters that are set.
        device: where language-model users run.
        kwargs: further arguments of `PersonaRecEnv`.
    """
    world = make_world(dataset, agent, split=split, train_share=train_share, parameters=parameters, device=device)
    return PersonaRecEnv(world, max_episode_steps=None, **kwargs)


def make_vector_env(
    num_envs: int = 1,
    dataset: str = "ml-100k",
    agent: str = "default",
    split: str | None = None,
    train_share: float | None = None,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
    device: str | None = None,
    max_episode_steps: int = MAX_EPISODE_STEPS,
    **kwargs: Any,
) -> PersonaRecVectorEnv:
    """What `gym.make_vec("PersonaRec-v0")` calls: one world, shared by all rows.

    Args:
        num_envs: rows.
        dataset: see `make_world`, as the next five.
        agent: name, bundle path or entry point of the users.
        split: which rows are known, by name.
        train_share: share of the rows that is known.
        parameters: session parameters that are set.
        device: where language-model users run.
        max_episode_steps: longest session; -1 for none, as in `gym.make`.
        kwargs: further arguments of `PersonaRecVectorEnv`.
    """
    world = make_world(dataset, agent, split=split, train_share=train_share, parameters=parameters, device=device)
    limit = None if max_episode_steps == -1 else max_episode_steps
    return PersonaRecVectorEnv(world, num_envs, max_episode_steps=limit, **kwargs)


# Gymnasium looks at an entry point's `metadata` for its render modes, and a function has none of its own.
make_env.metadata = PersonaRecEnv.metadata  # type: ignore[attr-defined]
make_vector_env.metadata = PersonaRecVectorEnv.metadata  # type: ignore[attr-defined]
