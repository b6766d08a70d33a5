"""The bundles that join the fidelity board, each under the name of its row."""

from dataclasses import asdict, dataclass
from pathlib import Path

from personagym_agents.bundle.manifest import BUNDLED, FAST, read_manifest
from personagym_benchmarks.fidelity.settings import FidelitySettings

SHIPPED = "shipped persona"
"""What the shipped bundle is called on the board."""
SHIPPED_FAST = "shipped persona-fast"
"""What the small one is called."""


@dataclass(frozen=True)
class BundlePlace:
    """A bundle by the name of its row."""

    name: str
    place: Path | None
    """None for the shipped one."""
    adapters: bool = True
    required: bool = True
    """Whether it is a mistake if it was trained on the rows of no protocol."""

    def origin(self) -> dict[str, object]:
        """What made the bundle, for the record; of a base by path its bundle's name alone."""
        settings = read_manifest(self.place or BUNDLED).settings
        base = Path(settings.base)
        return {
            "name": self.name,
            "base": base.parent.name or base.name,
            "recall": asdict(settings.recall),
            "personas": asdict(settings.personas),
            "adapters": asdict(settings.adapters) if self.adapters else None,
        }


def bundle_places(args: FidelitySettings) -> list[BundlePlace]:
    """The bundles that were asked for, those of one name next to each other, in the order in which names come first.

    Raises:
        ValueError: an entry is not `name=path`, there is no folder, or a name stands for populations of two kinds.
    """
    places = [BundlePlace(SHIPPED_FAST, FAST, required=False)] if args.shipped else []
    places += [BundlePlace(SHIPPED, None, required=False)] if args.shipped else []
    for entries, adapters in ((args.bases, False), (args.bundles, True)):
        for entry in entries:
            name, equals, path = entry.partition("=")
            if not (name and equals and Path(path).is_dir()):
                raise ValueError(f"a bundle is given as name=path with the path of a folder, got {entry!r}")
            places.append(BundlePlace(name, Path(path), adapters))
    by_name: dict[str, list[BundlePlace]] = {}
    for place in places:
        by_name.setdefault(place.name, []).append(place)
    for name, same in by_name.items():
        if len({(place.adapters, place.place is None) for place in same}) > 1 or name in args.agents:
            raise ValueError(f"{name!r} names populations of two kinds; training seeds alone may share a name")
    return [place for same in by_name.values() for place in same]
