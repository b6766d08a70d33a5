"""Files and folders that appear whole or not at all: written under a scratch name, moved into place in one step."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_TRIES, _PAUSE = 100, 0.01
"""How often, and how many seconds apart, a folder is put in place while other processes put theirs there."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time into the body, for what several may begin to make at once.

    The lock is a hidden file beside `path`, and stays there; that a process was killed leaves nothing locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A scratch file to write in the body; it takes the place of `path` when the body is done.

    Makes the folder if need be. A body that raises leaves `path` as it was, and nothing beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        with scratch.open("r+b") as file:
            os.fsync(file.fileno())
        scratch.chmod(0o644)  # mkstemp gives the owner alone access
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, as `replacing` does."""
    with replacing(path) as scratch:
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing_folder(place: Path) -> Iterator[Path]:
    """An empty scratch folder to fill in the body; it takes the place of `place` when the body is done.

    A body that raises leaves `place` as it was. A folder that has files cannot be replaced in one step: what a kill
    between the two steps leaves, `restore_folder` mends.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        yield scratch
        scratch.chmod(0o755)  # mkdtemp gives the owner alone access
        _swap(scratch, place)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _swap(scratch: Path, place: Path) -> None:
    """Put the scratch folder in place; begin again where another process does the same between the two steps."""
    old = _set_aside(place)
    for left in reversed(range(_TRIES)):
        try:
            shutil.rmtree(old, ignore_errors=True)
            if place.exists():
                place.replace(old)
            scratch.replace(place)
            break
        except OSError:
            if not left:
                raise
            time.sleep(_PAUSE)
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(place: Path) -> None:
    """Put a folder back that was set aside by a replacement which was killed before the next one took its place."""
    old = _set_aside(place)
    if old.exists() and not place.exists():
        old.replace(place)


def _set_aside(place: Path) -> Path:
    return place.with_name(place.name + ".old")
