"""The users of PersonaGym: documents, personas, adapters and the language model that reacts."""

from pathlib import Path

from gymnasium import logger

from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import UserAgent

__all__ = ["load"]

CLASSICAL_NAMES = ("bias", "knn", "mf")
"""Users that are fitted on the spot; see `personagym_agents.classical.users`."""
FROZEN = "frozen:"
"""Before the name of users whose answers are to come from a table."""
FALLBACK_NAME = "mf"
"""What "default" stands for where the bundled users were trained on other data."""


def load(name: str, dataset: Dataset, train: Interactions, *, device: str | None = None) -> UserAgent:
    """Users of a data set, by name.

    Args:
        name: "bias", "knn" or "mf" fit classical users; "persona" loads the bundled language-model users and a path to
            a directory the bundle in it; "default" is "persona" if the bundle was trained on `train`, else "mf", with
            a warning (and the name of the agent says which). "frozen:NAME" are the users of that name whose answers do
            not change within a session and come from a table that fills itself.
        dataset: catalogue and attributes of the users.
        train: rows that the users may know.
        device: where a language model runs, as `torch` names it; None takes a GPU if there is one. Classical users do
            without.

    Raises:
        ValueError: the name is unknown, there is no such device, or `train` does not fit the data set or the bundle.
    """
    shape, expected = (train.n_users, train.n_items), (len(dataset.users), len(dataset.catalogue))
    if shape != expected:
        raise ValueError(f"train counts {shape} users and items, but data set {dataset.name!r} has {expected}")
    if name.startswith(FROZEN):
        from personagym_agents.classical.static_cached import StaticCachedUsers

        return StaticCachedUsers(load(name.removeprefix(FROZEN), dataset, train, device=device))
    if name == "default":
        name = _default_name(dataset, train)
    if name in CLASSICAL_NAMES:
        from personagym_agents.classical.users import fit_classical

        return fit_classical(name, train)
    if name == "persona" or Path(name).is_dir():
        # Here, because it imports torch, which classical users do not need.
        from personagym_agents.bundle.storage import load_bundle_agent

        return load_bundle_agent(None if name == "persona" else Path(name), dataset, train, device=device)
    known = ", ".join(repr(known) for known in (*CLASSICAL_NAMES, "persona", "default"))
    raise ValueError(f"unknown users {name!r}: expected one of {known}, or the directory of a bundle")


def _default_name(dataset: Dataset, train: Interactions) -> str:
    from personagym_agents.bundle.storage import bundle_fits

    if bundle_fits(None, train):
        return "persona"
    logger.warn(
        f"the bundled users were not trained on these training rows of {dataset.name!r}: "
        f"{FALLBACK_NAME!r} users take their place"
    )
    return FALLBACK_NAME
