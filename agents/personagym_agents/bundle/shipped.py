"""The bundles that the package ships, found by the rows that they were trained on."""

from pathlib import Path

from personagym_agents import FROZEN
from personagym_agents.bundle.storage import BUNDLED, bundle_fits
from personagym_env.data.tables import Interactions

ANY_SHIPPED = frozenset({"default", "persona"})
"""Names under which `personagym_agents.load` looks for a shipped bundle."""


def shipped_bundles() -> list[Path]:
    """Folders of all shipped bundles, by name."""
    return sorted(place.parent for place in BUNDLED.parent.glob("*/manifest.json"))


def find_shipped(train: Interactions) -> Path | None:
    """The shipped bundle that was trained on exactly these rows; None if there is none."""
    return next((place for place in shipped_bundles() if bundle_fits(place, train)), None)


def name_shipped(name: str, train: Interactions) -> str:
    """The name as `personagym_agents.load` takes it, with the shipped bundle of these rows in place of `default`.

    A name that asks for no shipped bundle comes back as it is, as does one for whose rows none is shipped.
    """
    kind = FROZEN if name.startswith(FROZEN) else ""
    place = find_shipped(train) if name.removeprefix(kind) in ANY_SHIPPED else None
    return name if place is None else f"{kind}{place}"
