"""What is checked of a bundle from others before anything expensive is read from it."""

from pathlib import Path

from personagym_agents.personas.clustering import Personas


def check_links(place: Path) -> None:
    """Nothing, if all that a bundle reads lies in its folder.

    Raises:
        ValueError: a link leads out of it, or nowhere.
    """
    inside = place.resolve()
    for path in sorted(inside.rglob("*")):
        if path.is_symlink() and not _stays(path, inside):
            raise ValueError(f"{path.relative_to(inside)} leads out of the bundle at {place}: copy what it links to")


def _stays(path: Path, inside: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(inside)
    except (OSError, RuntimeError):  # a link to nowhere, or to itself
        return False


def check_personas(place: Path, personas: Personas, n_users: int) -> None:
    """Nothing, if every user of the training rows has one of the personas.

    Raises:
        ValueError: users are missing or too many, or a persona does not exist.
    """
    assignment, last = personas.assignment, len(personas.names) - 1
    if assignment.shape != (n_users,):
        raise ValueError(
            f"personas.json of the bundle at {place} assigns {len(assignment)} users, and the training rows have "
            f"{n_users}: the bundle belongs to other rows"
        )
    wrong = assignment[(assignment < 0) | (assignment > last)]
    if len(wrong):
        raise ValueError(
            f"personas.json of the bundle at {place} assigns persona {wrong[0]}, expected one of 0..{last}"
        )
