"""`kept` marks a function that fits; inside `keeping_fits` its results come from the cache folder.

A file is found by a hash of all that decides what it says: the function, its arguments (logs by their fingerprints),
the sources that fit, and the versions of the libraries that compute. Several processes may want the
same fit at once: one fits, the others wait and read. A fit that takes no time is not worth a file, and the files that
were not used for longest make room for others.
"""

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from gymnasium import logger
from scipy import sparse

from personagym_env.data.sources import cache_folder
from personagym_env.data.tables import Catalogue, Dataset, Interactions
from personagym_env.files import locked, write_atomically
from personagym_env.fit_cache.encoding import DamagedError, decoded, encoded
from personagym_env.fit_cache.sources import imported_sources, sources_of

LEAST_SECONDS = 0.05
"""Processor time below which a fit is not kept."""
MOST_BYTES = 2**30
"""Of all files together."""
_keeping: ContextVar[bool] = ContextVar("keeping", default=False)
P = ParamSpec("P")
Fit = TypeVar("Fit")


@contextmanager
def keeping_fits() -> Iterator[None]:
    """In the body, fits are kept in the cache folder and taken from it."""
    token = _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)


def kept(*classes: type, made_by: Sequence[str | type] = ()) -> Callable[[Callable[P, Fit]], Callable[P, Fit]]:
    """Mark a function whose result `keeping_fits` keeps.

    A call with arguments that no hash can stand for, such as a random generator, is an ordinary call; so are calls
    inside another fit that is kept.

    Args:
        classes: the dataclasses and named tuples that the result consists of; nothing else is ever made from a file.
        made_by: modules and classes that make the result, where all else that does is told by an argument: the source
            of the function and of the classes, and those of the modules with all that they import, then stand for what
            computes, and edits elsewhere keep what was kept.
    """

    def mark(fit: Callable[P, Fit]) -> Callable[P, Fit]:
        signature = inspect.signature(fit)

        @functools.wraps(fit)
        def call(*args: P.args, **kwargs: P.kwargs) -> Fit:
            if not _keeping.get():
                return fit(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            key = _key(tuple(bound.arguments.values()))
            if key is None:
                return fit(*args, **kwargs)
            token = _keeping.set(False)
            try:
                what = repr((fit.__module__, fit.__qualname__, key, _computing(fit, made_by)))
                name = f"{fit.__name__.strip('_')}-{sha256(what.encode()).hexdigest()[:32]}.safetensors"
                found: Fit = _from_cache(cache_folder() / "fits" / name, classes, lambda: fit(*args, **kwargs))
                return found
            finally:
                _keeping.reset(token)

        return call

    return mark


def _from_cache(path: Path, classes: tuple[type, ...], fit: Callable[[], Any]) -> Any:
    with ExitStack() as stack:
        found = _read(path, classes, aloud=False)
        if found is not None:
            return found[0]
        try:
            stack.enter_context(locked(_lock_of(path)))
        except OSError as error:
            logger.warn(_not_kept(path, error))
            return fit()
        # Another process may have been faster.
        found = _read(path, classes, aloud=True)
        if found is not None:
            return found[0]
        begin = time.process_time()
        fitted = fit()
        if time.process_time() - begin >= LEAST_SECONDS:
            try:
                write_atomically(path, encoded(fitted, classes))
                _make_room(path.parent)
            except OSError as error:
                logger.warn(_not_kept(path, error))
        return fitted


def _read(path: Path, classes: tuple[type, ...], *, aloud: bool) -> tuple[Any] | None:
    """The fit in a file; None where there is none, or a damaged one."""
    try:
        fitted = decoded(path.read_bytes(), classes)
    except OSError:
        return None
    except DamagedError as error:
        if aloud:
            logger.warn(f"the fit kept in {path} is damaged ({error}): it is removed, and fitted again")
            path.unlink(missing_ok=True)
        return None
    try:
        path.touch()  # the time of its last use, by which room is made
    except OSError:
        return (fitted,)  # a folder that may only be read serves as well
    return (fitted,)


def _lock_of(path: Path) -> Path:
    """What stands for a file while it is made: one of few, so that locks of fits that take no time do not pile up."""
    name, _, digest = path.stem.partition("-")
    return path.with_name(f"{name}-{digest[:2]}")


def _not_kept(path: Path, error: OSError) -> str:
    return (
        f"what is fitted cannot be kept in {path.parent} ({error}), so that every process fits anew; the environment "
        "variable PERSONAGYM_CACHE names another folder"
    )


def _key(value: object) -> object | None:
    """What a hash is taken of in an argument's place; None if nothing tells it."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, Interactions):
        return value.fingerprint()
    if isinstance(value, Dataset):  # its manifest names places on disk, and says nothing that a fit reads
        users = sha256(repr((value.users.ids, sorted(value.users.attributes.items()))).encode()).hexdigest()
        return (value.name, _key(value.catalogue), users, _key(value.interactions))
    if isinstance(value, Catalogue):
        texts = repr((value.ids, value.titles, value.genre_names)).encode(errors="surrogatepass")
        numbers = (np.ascontiguousarray(value.years, "<i8"), np.ascontiguousarray(value.genres))
        return sha256(texts + b"".join(array.tobytes() for array in numbers)).hexdigest()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        array = np.ascontiguousarray(value)
        return (array.dtype.str, array.shape, sha256(array.data).hexdigest())
    if isinstance(value, tuple):
        parts = [_key(part) for part in value]
    elif isinstance(value, sparse.csr_array):
        parts = [value.shape, *(_key(part) for part in (value.data, value.indices, value.indptr))]
    elif is_dataclass(value):
        parts = [type(value).__qualname__, *(_key(getattr(value, entry.name)) for entry in fields(value))]
    else:
        return None
    return None if any(part is None for part in parts) else tuple(parts)


def _computing(fit: Callable[..., Any], made_by: Sequence[str | type]) -> str:
    """Hash of what computes a fit: libraries, and sources; see `kept`."""
    if not made_by:
        return sources_of(*sorted({name.partition(".")[0] for name in (__name__, fit.__module__)}))
    texts = [inspect.getsource(one) for one in (fit, *made_by) if not isinstance(one, str)]
    modules = [one for one in made_by if isinstance(one, str)]
    return sha256(repr((texts, imported_sources(*modules))).encode()).hexdigest()


def _make_room(folder: Path) -> None:
    """Remove the files that were not used for longest, until the others have room."""
    used = []
    for path in folder.glob("*.safetensors"):
        try:
            used.append((path.stat().st_mtime, path.stat().st_size, path))
        except FileNotFoundError:
            continue  # another process makes room too
    total = 0
    for _, size, path in sorted(used, reverse=True):
        total += size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)
