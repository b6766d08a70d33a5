"""What is known about a bundle without loading it, and where the shipped ones are; needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from personagym_env.data.tables import Interactions

FORMAT = 2
BUNDLED = Path(__file__).parent.parent / "bundles" / "ml-100k"
"""The bundle that `persona` names where no shipped one was trained on the rows at hand."""


@dataclass(frozen=True)
class Manifest:
    """What is known about a bundle."""

    dataset: str
    train_fingerprint: str
    """`Interactions.fingerprint` of the training rows."""
    split: str
    """How train and test were parted, in words."""
    command: str
    """What makes this bundle again."""
    history_lines: int
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, float]]
    """Population to measure to value on the held-out rows."""
    format: int = FORMAT


def save_manifest(made: Path, manifest: Manifest) -> None:
    """Write, or write again, what is known about a bundle."""
    (made / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")


def read_manifest(place: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        ValueError: there is no bundle, or it is of another format.
    """
    path = place / "manifest.json"
    if not path.is_file():
        raise ValueError(f"no bundle at {place}: expected a file manifest.json; `personagym train` makes one")
    raw = json.loads(path.read_text(encoding="utf-8"))
    if raw.get("format") != FORMAT:
        raise ValueError(f"bundle at {place} has format {raw.get('format')}, this version reads format {FORMAT}")
    return Manifest(**raw)


def bundle_fits(place: Path | None, train: Interactions) -> bool:
    """Whether the bundle (None: any shipped one) was trained on exactly these rows."""
    if place is None:
        return find_shipped(train) is not None
    return read_manifest(place).train_fingerprint == train.fingerprint()


def shipped_bundles() -> list[Path]:
    """Folders of all shipped bundles, by name."""
    return sorted(place.parent for place in BUNDLED.parent.glob("*/manifest.json"))


def find_shipped(train: Interactions) -> Path | None:
    """The shipped bundle that was trained on exactly these rows; None if there is none."""
    return next((place for place in shipped_bundles() if bundle_fits(place, train)), None)
