"""What is known about a bundle without loading it, and where the shipped ones are; needs no torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cattrs import ClassValidationError
from cattrs.preconf.json import make_converter

from personagym_agents.bundle.settings import BundleSettings
from personagym_agents.memory.sentence_encoder import SentenceEncoder
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.result_file import faults

FORMAT = 4
MANIFEST = "manifest.json"
"""File that makes a folder a bundle."""
BUNDLED = Path(__file__).parent.parent / "bundles" / "ml-100k"
"""The bundle that `persona` names where no shipped one was trained on the rows at hand."""

FAST = BUNDLED.parent / "fast" / "ml-100k"
"""The bundle that `persona-fast` names: one layer, lines without titles. No base of other logs, and no judge."""

_CONVERTER = make_converter(forbid_extra_keys=True)


@dataclass(frozen=True)
class ReadLog:
    """Rows that a base has learned from."""

    dataset: str
    users: int
    items: int
    """Of the whole log, by which it is known again."""
    rows: int
    fingerprint: str
    """`Interactions.fingerprint` of the rows."""


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
    settings: BundleSettings
    logs: tuple[ReadLog, ...]
    """All that the base has read, where it was trained here."""
    versions: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, float]]
    """Population to measure to value on the held-out rows."""
    style: tuple[float, ...] = ()
    """How far the response styles of users and of items go in the answers; nothing where they are not known."""


def save_manifest(made: Path, manifest: Manifest) -> None:
    """Write, or write again, what is known about a bundle."""
    raw = {"format": FORMAT} | _CONVERTER.unstructure(manifest)
    (made / MANIFEST).write_text(json.dumps(raw, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_manifest(place: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        ValueError: there is no bundle, or it is of another format.
    """
    path = place / MANIFEST
    if not path.is_file():
        raise ValueError(f"no bundle at {place}: expected a file {MANIFEST}; `personagym train` makes one")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        version = raw.pop("format")
        if version != FORMAT:
            raise ValueError(
                f"the bundle has format {version}, and format {FORMAT} is expected: make it again with `personagym "
                f"train` (it was made by `{raw.get('command')}`; `personagym train --help` has the options of today)"
            )
        return _CONVERTER.structure(raw, Manifest)
    except (ValueError, LookupError, TypeError, AttributeError, ClassValidationError) as error:
        told = faults(error) if isinstance(error, ClassValidationError) else str(error)
        raise ValueError(f"{path} is no manifest of a bundle: {told}") from error


def bundle_hash(place: Path) -> str:
    """SHA-256 over all that makes the users of a bundle answer as they do: not over metrics, versions and commands."""
    manifest = read_manifest(place)
    told: tuple[object, ...] = (
        manifest.train_fingerprint,
        manifest.settings.history_lines,
        {name: value for name, value in asdict(manifest.settings.recall).items() if name != "encoder"},
    )
    if manifest.settings.recall.encoder is not None:
        told += (SentenceEncoder(manifest.settings.recall.encoder).sha256,)
    if not (manifest.settings.taste and manifest.settings.titles):
        told += (manifest.settings.taste, manifest.settings.titles)
    if manifest.style:
        told += (manifest.style,)
    digest = hashlib.sha256(repr(told).encode())
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name not in (MANIFEST, "README.md"):
            content = path.read_bytes()
            # Line ends of text depend on how it was checked out.
            text = path.suffix in (".json", ".jsonl", ".jinja")
            digest.update(path.relative_to(place).as_posix().encode())
            digest.update(hashlib.sha256(content.replace(b"\r\n", b"\n") if text else content).digest())
    return digest.hexdigest()


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


def base_for(train: Interactions) -> Path:
    """The shipped bundle whose base reads these rows: that which was trained on them, else the first."""
    return find_shipped(train) or BUNDLED


def may_have_read(train: Interactions, place: Path | None = None) -> bool:
    """Whether a base may have read rows of this log that `train` leaves out, and that may judge its users.

    Shapes tell, and not rows, because users are often loaded with the held-out rows taken out of their data set.

    Args:
        train: rows that users may know.
        place: the bundle whose base it is; None for the shipped ones.
    """
    places = [place] if place is not None else [] if find_shipped(train) is not None else shipped_bundles()
    read = (log for known in places for log in read_manifest(known).logs)
    shape, own = (train.n_users, train.n_items), train.fingerprint()
    return any((log.users, log.items) == shape and log.fingerprint != own for log in read)
