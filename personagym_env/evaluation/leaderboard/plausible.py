"""Worlds that a log cannot tell apart: laws of leaving and returning at the ends of what is plausible."""

from collections.abc import Iterator
from dataclasses import replace

from personagym_env.session.parameters import Assumption
from personagym_env.world import World

LAWS = ("leaving", "returning")
"""Parts of a session's parameters that decide how long a user is there to earn a return."""
_DESIGNED = frozenset({"returning.max_sessions", "returning.horizon", "returning.pause"})
"""What the designer of a study chooses, or a convention."""


def untold(world: World) -> tuple[Assumption, ...]:
    """Parameters of leaving, and of returning where users may return, that stand at what is assumed.

    What the log was fitted to is told by the log, and what somebody has set is meant.
    """
    laws = LAWS if world.parameters.returning.max_sessions > 1 else LAWS[:1]
    return tuple(
        entry.assumption
        for entry in world.card().entries
        if entry.origin == "assumed"
        and entry.assumption.name.partition(".")[0] in laws
        and entry.assumption.name not in _DESIGNED
    )


def plausible_worlds(world: World) -> Iterator[tuple[str, World]]:
    """What was changed, and the world with it: one untold parameter at an end of its plausible range."""
    for known in untold(world):
        part, _, entry = known.name.partition(".")
        for end in known.plausible:
            yield f"{known.name} = {end:g}", replace(world, parameters=world.parameters.updated({part: {entry: end}}))
