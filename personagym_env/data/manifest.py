"""What a data set says about itself, as a file `personagym.json` beside it.

A log of ratings shows what people chose to rate. Some data sets know more: Coat and Yahoo! R3 come with ratings of
items that were shown at random, Jester and KuaiRec with users who rated nearly everything. The file says so once:

    {"random_exposure": "coat-random.inter", "fully_observed": 0.9, "scale": [1, 2, 3, 4, 5]}

`scale` names the ratings that exist, where those of the log do not show it: an end that nobody used, ratings that are
all equal. Each entry may be left out, and so may the file.
"""

import json
from pathlib import Path

from personagym_env.data.readers.scale import checked_scale
from personagym_env.data.readers.table import DataError
from personagym_env.data.tables import DataManifest

FILE_NAME = "personagym.json"


def read_manifest(folder: Path) -> DataManifest:
    """The manifest of a folder; an empty one where it has none.

    Raises:
        DataError: the file is no JSON object, has an unknown entry, or an entry is not what was expected.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return DataManifest()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(str(path), f"expected JSON, got {error}") from error
    known = sorted(DataManifest.__dataclass_fields__)
    if not isinstance(entries, dict) or set(entries) - set(known):
        raise DataError(str(path), f"expected an object with some of {', '.join(known)}, got {entries!r:.200}")
    return DataManifest(_random_exposure(path, entries), _fully_observed(path, entries), _scale(path, entries))


def _random_exposure(path: Path, entries: dict[str, object]) -> Path | None:
    named = entries.get("random_exposure")
    if named is None:
        return None
    if not isinstance(named, str) or not (path.parent / named).exists():
        raise DataError(str(path), f"random_exposure: expected a file or folder beside the manifest, got {named!r}")
    return path.parent / named


def _fully_observed(path: Path, entries: dict[str, object]) -> float | None:
    share = entries.get("fully_observed")
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise DataError(str(path), f"fully_observed: expected a share above 0 and at most 1, got {share!r}")
    return float(share)


def _scale(path: Path, entries: dict[str, object]) -> tuple[float, ...] | None:
    scale = entries.get("scale")
    if scale is None:
        return None
    try:
        return checked_scale(scale if isinstance(scale, list) else [])
    except (TypeError, ValueError) as error:
        raise DataError(str(path), f"scale: expected ascending ratings, at least two, got {scale!r:.200}") from error
