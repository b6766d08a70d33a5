"""Saving and loading in scikit-learn's habit, with parts that are saved the same way in folders of their own."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from personagym_recommenders.recommender_file import Learned, flattened, read_saved, write_saved

_PART = "saved in"


class Storable:
    """Something that is its constructor arguments and what it has learned.

    Every constructor argument is kept under its own name. It fits into JSON, or is `Storable` itself, or a sequence of
    such. What is learned is kept in attributes whose names end in an underscore, as numpy arrays or scipy CSR arrays.
    """

    def save(self, folder: str | Path) -> None:
        """Write one safetensors file into the folder (made if need be), and one into a subfolder for each part.

        The folder's own file comes last, at once or not at all, so that a folder that loads is whole.

        Raises:
            TypeError: a constructor argument does not fit into JSON, or something learned is no array.
        """
        settings = self.settings()
        for name, part in _parts(settings).items():
            part.save(Path(folder) / name)
        plain = {name: _plain(name, value) for name, value in settings.items()}
        write_saved(folder, type(self).__name__, plain, self.learned())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: nothing was saved there.
            ValueError: it was saved by another class, or cannot be read.
        """
        saved = read_saved(folder, cls.__name__)
        made = cls(**read_parts(folder, saved.settings))
        made.restore(saved.learned)
        return made

    def fingerprint(self) -> str:
        """SHA-256 of class, constructor arguments and all that was learned: by it a log's policy is known again."""
        settings = self.settings()
        parts = {name: part.fingerprint() for name, part in _parts(settings).items()}
        plain = {name: _plain(name, value) for name, value in settings.items()}
        digest = hashlib.sha256(json.dumps([type(self).__name__, plain, parts], sort_keys=True).encode())
        for name, array in sorted(flattened(self.learned()).items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        parameters = list(inspect.signature(type(self)).parameters)
        missing = [name for name in parameters if not hasattr(self, name)]
        if missing:
            raise TypeError(
                f"{type(self).__name__} must keep its constructor arguments {missing} under their own names"
            )
        return {name: getattr(self, name) for name in parameters}

    def learned(self) -> Learned:
        """What was learned: the attributes whose names end in an underscore."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def restore(self, learned: Learned) -> None:
        """Take back what `learned` gave."""
        for name, value in learned.items():
            setattr(self, name, value)


def load_storable(folder: str | Path) -> Storable:
    """Read what any `Storable` saved; its class must have been imported, nothing is imported by name.

    Raises:
        FileNotFoundError: nothing was saved there.
        ValueError: no imported class has the name that the file gives, or the file cannot be read.
    """
    kind = read_saved(folder).kind
    found: type[Storable] | None = None
    waiting: list[type[Storable]] = [Storable]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__name__ == kind:
            found = one
    if found is None:
        raise ValueError(f"{folder} holds a saved {kind}, and no class of that name has been imported")
    return found.load(folder)


def read_parts(folder: str | Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments as they were before saving: what stands in folders of its own is read from there."""
    return {name: _whole(Path(folder), value) for name, value in settings.items()}


def _whole(folder: Path, value: Any) -> Any:
    """What `_plain` made plain."""
    if not isinstance(value, dict) or set(value) != {_PART}:
        return value
    places = value[_PART]
    if isinstance(places, str):
        return load_storable(folder / places)
    return tuple(load_storable(folder / place) for place in places)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(one, Storable) for one in value)


def _parts(settings: Mapping[str, Any]) -> dict[str, Storable]:
    """The arguments that are saved in folders of their own, by folder."""
    parts = {name: value for name, value in settings.items() if isinstance(value, Storable)}
    for name, value in settings.items():
        if _is_sequence(value):
            parts |= {f"{name}-{i}": one for i, one in enumerate(value)}
    return parts


def _plain(name: str, value: Any) -> Any:
    """An argument as JSON has it: folders stand for parts."""
    if isinstance(value, Storable):
        return {_PART: name}
    return {_PART: [f"{name}-{i}" for i in range(len(value))]} if _is_sequence(value) else value
