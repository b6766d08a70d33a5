"""What reads bytes from outside: readers of data, bundles, results, logs and kept fits, each with an input to spoil.

A reader may refuse what it is given by the errors that it documents, and by no other; it comes to an end, and does not
take more memory than the file is worth.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kills.results import Kill, KilledCommand, Kills
from personagym_agents.bundle.manifest import BUNDLED, read_manifest
from personagym_agents.bundle.storage import read_personas
from personagym_agents.classical.blend import Blend
from personagym_env.collaborative.factors import FactorModel
from personagym_env.data.manifest import read_manifest as read_data_manifest
from personagym_env.data.sources import load_dataset
from personagym_env.fit_cache.encoding import decoded, encoded
from personagym_env.logs.sessions import open_log

DOCUMENTED = (ValueError, OSError)
"""What readers raise where a file is not what it should be; `DataError` and `DamagedError` are such."""
_INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\ti1\t3\t10\nu1\ti2\t4\t20\nu2\ti1\t2\t30\n"
_ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\ni1\tOne\t1995\tA\ni2\tTwo\t\tB A\n"
_CSV = 'userId,movieId,rating,timestamp\n1,1,3.5,100\n1,2,"4.0",200\n2,1,1,300\n'
_MOVIES = 'movieId,title,genres\n1,"One, Two (1995)",Drama|Comedy\n2,Three (1996),(no genres listed)\n'
_PIECES = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\t",
    b"\n",
    b"\r",
    b'"',
    b",",
    b"::",
    b"|",
    b"-1",
    b"nan",
    b"1e999",
    b"9" * 40,
    b"{",
    b"[[",
    b"null",
    b"\xe2\x80\xae",
)
"""Bytes that mean something to one reader or another."""


class Target(NamedTuple):
    """A reader, and a file that it takes."""

    name: str
    seed: bytes
    read: Callable[[bytes], object]


def _files(place: Path, name: str, files: dict[str, bytes], read: Callable[[Path], object]) -> Iterator[Target]:
    """A target for each file of a folder; the others stay as they are."""
    folder = place / name
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    for file, content in files.items():

        def spoilt(data: bytes, path: Path = folder / file, content: bytes = content) -> None:
            path.write_bytes(data)
            try:
                read(folder)
            finally:
                path.write_bytes(content)

        yield Target(f"{name}/{file}", content, spoilt)


def targets(place: Path, log: Path) -> list[Target]:
    """All readers, over a folder that they may write to, and a log that `collect` has written."""
    parts = {path.name: path.read_bytes() for path in sorted(log.iterdir())[:1]}
    bundle = {name: (BUNDLED / name).read_bytes() for name in ("manifest.json", "personas.json", "blend.safetensors")}
    kept = {"users": np.arange(6.0).reshape(2, 3), "note": "kept", "several": (1, None, 2.5)}
    record = Kills(
        commands=(KilledCommand("collect", 1.0, "a", (Kill(0.5, True, {"a": 1}, (), "a"),)),),
        setting={},
        environment={},
    )
    result = place / "result.json"
    record.save(result)
    movielens = {
        "u.data": b"1\t1\t3\t10\n1\t2\t4\t20\n2\t1\t1\t30\n",
        "u.item": b"1|One (1995)|||" + b"|0" * 19 + b"\n2|Two|||" + b"|1" * 19 + b"\n",
    }
    million = {
        "ratings.dat": b"1::1::5::10\n1::2::3::20\n",
        "movies.dat": b"1::One (1995)::Drama|War\n2::Two::Comedy\n",
        "users.dat": b"1::F::18::4::12345\n",
    }
    return [
        *_files(place, "atomic", {"atomic.inter": _INTER.encode(), "atomic.item": _ITEM.encode()}, load_dataset),
        *_files(place, "csv", {"ratings.csv": _CSV.encode(), "movies.csv": _MOVIES.encode()}, load_dataset),
        *_files(place, "100k", movielens, load_dataset),
        *_files(place, "1m", million, load_dataset),
        *_files(
            place, "described", {"personagym.json": b'{"scale": [1, 2, 3], "fully_observed": 0.5}'}, read_data_manifest
        ),
        *_files(place, "manifest", {"manifest.json": bundle["manifest.json"]}, read_manifest),
        *_files(place, "personas", {"personas.json": bundle["personas.json"]}, read_personas),
        *_files(
            place,
            "blend",
            {"blend.safetensors": bundle["blend.safetensors"]},
            lambda at: Blend.load(at / "blend.safetensors"),
        ),
        *_files(place, "result", {"kill.json": result.read_bytes()}, lambda at: Kills.load(at / "kill.json")),
        *_files(place, "log", parts, lambda at: open_log(at).read()),
        Target("kept fit", encoded(kept, ()), lambda data: decoded(data, (FactorModel,))),
    ]


def refused(target: Target, data: bytes) -> bool:
    """Whether a reader refused an input; raises what it does not document."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            target.read(data)
        except DOCUMENTED:
            return True
    return False


def mutated(seed: bytes, rng: np.random.Generator, pieces: Sequence[bytes] = _PIECES) -> bytes:
    """A file with some bytes changed, cut out, said twice or replaced by what readers stumble over."""
    data = bytearray(seed)
    for _ in range(int(rng.integers(1, 5))):
        begin, end = sorted(int(place) for place in rng.integers(0, len(data) + 1, 2))
        end = min(end, begin + int(rng.integers(1, 40)))
        match rng.integers(5):
            case 0 if data:
                data[min(begin, len(data) - 1)] = int(rng.integers(256))
            case 1:
                del data[begin:end]
            case 2:
                data[begin:begin] = data[begin:end] * int(rng.integers(1, 4))
            case 3:
                del data[begin:]
            case _:
                data[begin:end] = pieces[int(rng.integers(len(pieces)))]
    return bytes(data)
