"""From a name or a path to a `Dataset`."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import platformdirs

from personagym_env.data.manifest import read_manifest
from personagym_env.data.readers.atomic import read_atomic
from personagym_env.data.readers.border import Unknown
from personagym_env.data.readers.movielens_1m import read_movielens_1m
from personagym_env.data.readers.movielens_100k import read_movielens_100k
from personagym_env.data.readers.movielens_csv import read_movielens_csv
from personagym_env.data.readers.table import DataError
from personagym_env.data.tables import Dataset

ML_100K_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
ML_100K_MD5 = "0e33842e24a9c977be4e0107933c0723"
ML_100K_FINGERPRINT = "b5ae1c7a8b91b4ff1608fe116d215109ea5ce5091d224ccaf1f074980b87a464"
"""Of the log with all 100,000 ratings; GroupLens' files and RecBole's copy agree on it."""

_ELSEWHERE = ("ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest", "ml-latest-small")
"""MovieLens sets that are read but not fetched."""


def load_dataset(
    source: str | Path = "ml-100k",
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    scale: Sequence[float] | None = None,
    unknown: Unknown = "error",
) -> Dataset:
    """Load a data set by name or from disk; the format is found out from the files.

    Args:
        source: "ml-100k", which is found in the installed `recbole` package, else in the cache, else downloaded; or
            a folder of MovieLens files (100K, 1M, or ratings.csv) or RecBole atomic files; or the path of atomic
            files without suffix.
        name: of the data set; by default that of the folder or files.
        columns: roles, the fields of `personagym_env.data.readers.columns.Columns`, to column names, where a file
            with a header does not use the usual names: `{"rating": "stars"}`.
        scale: the ratings that exist, ascending; by default what `personagym.json` beside the files says, else the
            evenly spaced grid of the ratings found.
        unknown: "error" or "drop" for log rows whose item or user is missing from the items or users file.

    Raises:
        DataError: a file is not what was expected; names file, line and column.
        DownloadError: ML-100K is nowhere and cannot be downloaded; says how to get it.
        ValueError: the source is neither a known name nor a path with a known format, or an option is out of range.
    """
    if source != "ml-100k":
        return _read(Path(source), name, columns, scale, unknown)
    place = _locate_ml_100k()
    dataset = _read(place, "ml-100k" if name is None else name, columns, scale, unknown)
    # The fingerprint covers the scale, so a scale of the caller's own cannot be compared.
    if scale is None and (found := dataset.interactions.fingerprint()) != ML_100K_FINGERPRINT:
        raise DataError(str(place), f"expected MovieLens-100K, fingerprint {ML_100K_FINGERPRINT}, got {found}")
    return dataset


def cache_folder() -> Path:
    """Where downloads are kept: the environment variable PERSONAGYM_CACHE, else the user's cache directory."""
    return Path(os.environ.get("PERSONAGYM_CACHE") or platformdirs.user_cache_dir("personagym"))


def _read(
    path: Path,
    name: str | None,
    columns: Mapping[str, str] | None,
    scale: Sequence[float] | None,
    unknown: Unknown,
) -> Dataset:
    manifest = read_manifest(path if path.is_dir() else path.parent)
    known_scale = manifest.scale if scale is None else scale
    return replace(_read_log(path, name, columns, known_scale, unknown), manifest=manifest)


def _read_log(
    path: Path,
    name: str | None,
    columns: Mapping[str, str] | None,
    scale: Sequence[float] | None,
    unknown: Unknown,
) -> Dataset:
    if (prefix := _atomic_prefix(path)) is not None:
        return read_atomic(prefix, name=name, columns=columns, scale=scale, unknown=unknown)
    if (path / "ratings.csv").is_file():
        return read_movielens_csv(path, name=name, columns=columns, scale=scale, unknown=unknown)
    if columns:
        raise ValueError(f"columns can be named in files with a header, and {path} has none such")
    if (path / "u.data").is_file():
        return read_movielens_100k(path, name=name, scale=scale, unknown=unknown)
    if (path / "ratings.dat").is_file():
        return read_movielens_1m(path, name=name, scale=scale, unknown=unknown)
    raise ValueError(_not_found(path))


def _atomic_prefix(path: Path) -> Path | None:
    """The prefix of the atomic files that a path means, or None if it means something else.

    Raises:
        ValueError: a folder holds several sets of atomic files and none has the folder's name.
    """
    if path.suffix == ".inter" and path.is_file():
        return path.with_suffix("")
    if path.with_name(f"{path.name}.inter").is_file():
        return path
    logs = sorted(path.glob("*.inter")) if path.is_dir() else []
    own = [log for log in logs if log.stem == path.absolute().name]
    if len(logs) > 1 and not own:
        raise ValueError(f"expected one .inter file in {path}, got {[log.name for log in logs]}; give one of them")
    return (own or logs)[0].with_suffix("") if logs else None


def _not_found(path: Path) -> str:
    looked_for = "*.inter (RecBole), u.data (MovieLens 100K), ratings.dat (1M, 10M) or ratings.csv (later MovieLens)"
    if path.is_dir():
        names = sorted(file.name for file in path.iterdir())
        hint = "; unpack archives first" if any(name.endswith((".gz", ".zip", ".bz2", ".xz")) for name in names) else ""
        return f"expected one of {looked_for} in {path}, got {names[:20]}{hint}"
    message = f"expected 'ml-100k', a folder with {looked_for}, or the path of atomic files, got {str(path)!r}"
    if path.exists():
        return f"{message}, which is a file of another kind"
    if path.name in _ELSEWHERE:
        page = "https://grouplens.org/datasets/movielens/"
        return f"{message}: {path.name} is not fetched; download it from {page} and give its folder"
    return f"{message}, which does not exist"


def ml_100k_first_pairs(n: int) -> list[tuple[str, str]]:
    """Ids of user and item of the first n rows of ML-100K's file, whose order `Interactions` do not keep."""
    place = _locate_ml_100k()
    atomic = place / f"{place.name}.inter"
    lines = (atomic if atomic.is_file() else place / "u.data").read_text(encoding="latin-1").splitlines()
    rows = (line.split("\t") for line in lines[1 if atomic.is_file() else 0 :][:n])
    return [(row[0], row[1]) for row in rows]


def _locate_ml_100k() -> Path:
    """The folder of ML-100K: in the installed recbole package (not imported), else the cache, else downloaded."""
    spec = importlib.util.find_spec("recbole")
    for place in spec.submodule_search_locations or () if spec is not None else ():
        if (Path(place) / "dataset_example" / "ml-100k" / "ml-100k.inter").is_file():
            return Path(place) / "dataset_example" / "ml-100k"
    folder = cache_folder() / "ml-100k"
    if not folder.is_dir():
        # Here, because what speaks HTTP takes a sixth of a second to import.
        from personagym_env.data.download import DownloadError, download_zip

        try:
            download_zip(ML_100K_URL, folder, md5=ML_100K_MD5)
        except OSError as error:
            ways = (
                f"`pip install --no-deps recbole==1.2.1`, which carries it; or unpack {ML_100K_URL} as {folder}; "
                "or give load_dataset the path of a folder that holds it"
            )
            raise DownloadError(
                f"MovieLens-100K is not on this machine and its download failed ({error}). Get it by {ways}"
            ) from error
    return folder
