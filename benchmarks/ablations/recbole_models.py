"""Which of RecBole's models work here: every model of the installed RecBole is tried, each in a process of its own.

`python benchmarks/ablations/recbole_models.py` fits each model for one epoch on a small invented log, lets it recommend
at the start and in the middle of a session, saves and loads it, and asks again. A model works if its slates keep the
recommender's contract and come out the same after loading; it is refused if the package says so before it trains
anything. Everything else, and what runs out of time, is a fault.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

from ablations.results import ModelAttempt, Outcome, RecBoleModels
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.evaluation.core.offline import check_answer
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.protocols import NO_ITEM, Observation
from personagym_env.session.random import splitmix64
from personagym_recommenders.base import unconsumed
from personagym_recommenders.recbole.models import model_names, model_type
from personagym_recommenders.recbole.recommender import RecBole

USERS, ITEMS, PER_USER, GENRES = 60, 150, 15, 6
SLATE_SIZE = 5


@dataclass(frozen=True)
class Args:
    """What to try."""

    models: tuple[str, ...] = ()
    """Names; all if empty."""
    limit: float = 300.0
    """Seconds that a model may take, imports included."""
    output: Path = Path("runs/recbole_models.json")
    """Where the JSON goes."""
    attempt: str | None = None
    """Try this model in this process and print how it went; what the sweep calls for each model."""


def small_log() -> tuple[Interactions, Catalogue]:
    """Sixty users with 15 of 150 items each, in sessions; ratings and items are invented by a hash."""
    luck = splitmix64(np.arange(USERS, dtype=np.uint64)[:, None], np.arange(ITEMS, dtype=np.uint64))  # (u, m)
    items = np.argsort(luck, axis=1)[:, :PER_USER]
    users = np.repeat(np.arange(USERS), PER_USER)
    log = Interactions.from_columns(
        users,
        items.ravel(),
        1.0 + (luck[users, items.ravel()] % np.uint64(5)).astype(float),
        1_500_000_000 + 60 * np.arange(len(users)),
        n_users=USERS,
        n_items=ITEMS,
        scale=(1, 2, 3, 4, 5),
    )
    names = tuple(f"item {item}" for item in range(ITEMS))
    genres = np.arange(ITEMS)[:, None] % GENRES == np.arange(GENRES)
    return log, Catalogue(names, names, np.full(ITEMS, 1990), tuple(f"genre {g}" for g in range(GENRES)), genres)


def observation(items: list[int]) -> Observation:
    """All users in a session in which these items were consumed and rated 4."""
    history = np.tile(np.array([NO_ITEM, *items]), (USERS, 1))
    return Observation(
        user=np.arange(USERS),
        profile=np.zeros((USERS, 1), np.float32),
        history_items=history,
        history_ratings=np.where(history == NO_ITEM, 0, 4).astype(np.float32),
        step=np.full(USERS, len(items)),
    )


def attempt(model: str) -> ModelAttempt:
    """Try one model in this process."""
    log, catalogue = small_log()
    kind, begin = model_type(model), time.perf_counter()
    outcome: Outcome = "works"
    reason = ""
    try:
        recommender = RecBole(model, epochs=1)
    except ValueError as error:
        outcome, reason = "refused", str(error)
    else:
        try:
            recommender.fit(log, catalogue)
            check(recommender)
        except Exception as error:
            outcome, reason = "fails", f"{type(error).__name__}: {error}"
    return ModelAttempt(model, kind, outcome, reason, round(time.perf_counter() - begin, 1))


def check(recommender: RecBole) -> None:
    """Hold a fitted model to the contract, before and after loading.

    Raises:
        ValueError: a slate breaks it.
    """
    with TemporaryDirectory() as folder:
        recommender.save(folder)
        loaded = RecBole.load(folder)
    for session in ([], [3, 149]):
        seen = observation(session)
        slates = recommender.recommend(seen, SLATE_SIZE)
        check_answer(recommender.name, slates, (USERS, SLATE_SIZE), unconsumed(recommender.seen_, seen))
        if not np.array_equal(slates, loaded.recommend(seen, SLATE_SIZE)):
            raise ValueError("other slates after loading")


def attempt_apart(model: str, limit: float) -> ModelAttempt:
    """Try one model in a process of its own, which is ended when its time is over."""
    with TemporaryDirectory() as folder:
        written = Path(folder) / "row.json"
        command = [sys.executable, __file__, "--attempt", model, "--output", str(written)]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment, check=False)
        except subprocess.TimeoutExpired:
            return ModelAttempt(model, model_type(model), "out of time", f"took more than {limit:.0f} s", limit)
        if written.is_file():
            return RecBoleModels.load(written).rows[0]
    said = done.stderr.strip().splitlines() or [""]
    return ModelAttempt(model, model_type(model), "fails", f"exit status {done.returncode}: {said[-1]}", 0.0)


def main(args: Args) -> None:
    """Try the models and write what became of them."""
    if args.attempt is not None:
        rows = [attempt(args.attempt)]
    else:
        rows = []
        for model in args.models or model_names():
            rows.append(attempt_apart(model, args.limit))
            print(f"{model:<12} {rows[-1].outcome:<12} {rows[-1].seconds:6.1f} s  {rows[-1].reason}", flush=True)
        print(", ".join(f"{count} {outcome}" for outcome, count in Counter(row.outcome for row in rows).items()))
    setting = {"users": USERS, "items": ITEMS, "rows of a user": PER_USER, "epochs": 1, "limit in seconds": args.limit}
    found = RecBoleModels(rows=tuple(rows), setting=setting, environment=environment_snapshot())
    found.save(args.output)


if __name__ == "__main__":
    main(tyro.cli(Args))
