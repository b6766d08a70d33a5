"""The commands that are killed, on logs small enough for seconds, and what of their results has to be the same."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users

_OF_THE_RUN = ("seconds", "environment")
"""Words in the names of what a result says about the run and not about what was found."""


@dataclass(frozen=True)
class Command:
    """A command of `personagym`."""

    arguments: tuple[str, ...]
    """`{log}` stands for the folder of the data, `{chat}` for the address of a chat server."""
    results: tuple[str, ...]
    """Files and folders that it writes; the others are those that it goes on from."""

    def argv(self, log: Path, chat: str) -> list[str]:
        """What is typed."""
        return ["personagym", *(word.format(log=log, chat=chat) for word in self.arguments)]


def _typed(words: str, *results: str) -> Command:
    return Command(tuple(words.split()), results)


COMMANDS = {
    "train": _typed(
        "train --dataset {log} --output bundle --run run default --base small --width 32 --layers 1 --vocabulary 500 "
        "--teacher bias --training.epochs 2 --training.batch 4 --training.warmup 1 --adapters.rank 2 "
        "--adapters.alpha 2 --adapters.training.batch 4 --adapters.training.warmup 1 --personas.n-personas 2 "
        "--history-lines 6",
        "bundle",
    ),
    "collect": _typed(
        "collect --dataset {log} --users bias --recommender plackett-luce:popular --candidates 20 --slate-size 3 "
        "--episodes 2000 --rows 32 --workers 1 --max-episode-steps 5 --output log",
        "log",
    ),
    "agreement": _typed(
        "agreement --dataset {log} --judges bias --no-shipped --no-slow --sessions 10 --resamples 50 --least 6 "
        "--output agreement.json",
        "agreement.json",
    ),
    "leaderboard": _typed(
        "leaderboard --dataset {log} --agent mf --floors bias --contestants random popular item-knn --users 20 "
        "--resamples 50 --output leaderboard.json --report leaderboard.html",
        "leaderboard.json",
        "leaderboard.html",
    ),
    "profile": _typed(
        "profile --dataset {log} --model stand-in --base-url {chat} --concurrency 2 --folds 2 --run run "
        "--output profiles.json",
        "profiles.json",
    ),
}


def write_log(folder: Path) -> Path:
    """A log of 36 users with 45 of 100 items each, sessions days apart."""
    rng = np.random.default_rng(7)
    n_users, n_items, n_genres, per_user = 36, 100, 4, 45
    users = np.repeat(np.arange(n_users), per_user)
    items = np.concatenate([rng.choice(n_items, per_user, replace=False) for _ in range(n_users)])
    scale = (1.0, 2.0, 3.0, 4.0, 5.0)
    catalogue = Catalogue(
        ids=tuple(f"i{item}" for item in range(n_items)),
        titles=tuple(f"Film {item}" for item in range(n_items)),
        years=1950 + np.arange(n_items) % 70,
        genre_names=tuple(f"Genre {genre}" for genre in range(n_genres)),
        genres=np.arange(n_items)[:, None] % n_genres == np.arange(n_genres),
    )
    log = Interactions.from_columns(
        users,
        items,
        rng.choice(scale, len(users)),
        np.cumsum(np.where(rng.random(len(users)) < 0.15, 86_400, 60)),
        n_users=n_users,
        n_items=n_items,
        scale=scale,
    )
    dataset = Dataset("small", catalogue, Users(tuple(f"u{user}" for user in range(n_users))), log)
    return write_atomic_files(dataset, folder / "small").parent


def files_in(folder: Path) -> list[Path]:
    """Files that a reader would take for whole: all but hidden ones, under which others are written."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def check_whole(path: Path) -> None:
    """Nothing, if a file is whole.

    Raises:
        ValueError: it is not.
    """
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    file.get_slice(name).get_shape()
        elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            raise ValueError("its end is missing")
    except Exception as error:
        raise ValueError(f"{path.name} is not whole: {error}") from error


def digest(folder: Path, results: tuple[str, ...]) -> str:
    """Of all that a command has found; of a report, which shows the times that fits took, that it is there."""
    total = sha256()
    for name in results:
        place = folder / name
        paths = files_in(place) if place.is_dir() else [place]
        for path in paths:
            total.update(str(path.relative_to(folder)).encode())
            content = path.read_bytes()
            if path.suffix == ".json":
                content = json.dumps(_found(json.loads(content)), sort_keys=True).encode()
            total.update(sha256(b"" if path.suffix == ".html" else content).digest())
    return total.hexdigest()


def _found(value: Any) -> Any:
    if isinstance(value, dict):
        kept = [name for name in value if not any(word in name for word in _OF_THE_RUN)]
        return {name: _found(value[name]) for name in kept}
    return [_found(part) for part in value] if isinstance(value, list) else value
