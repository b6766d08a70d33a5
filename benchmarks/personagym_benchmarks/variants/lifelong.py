"""A life in partitions: error and time against the rows of history that are told, and whether old partitions stay."""

import time
from collections.abc import Callable

import numpy as np
import torch

from personagym_agents.variants.lifelong import PARTITION, Cache, Partitions
from personagym_agents.variants.towers import TrainedTowers, train_towers
from personagym_benchmarks.variants.board import Measurement
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest, point_fidelity
from personagym_env.evaluation.reporting.figures import FIDELITY

LENGTHS = (10, 20, 50, 100, 200, 400, 700)
LONG = 100
"""Training rows that those have who are asked."""
RESAMPLES = 500
ROUNDS = 20


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """What is known by the latest rows alone, row by row more of them, of users with long histories."""
    train = part.split.train
    genres = dataset.catalogue.genres
    kinds = {"partitions": Partitions, "cache alone": Cache}
    towers = {name: train_towers(train, genres, encoder, seed=seed) for name, encoder in kinds.items()}
    rng = np.random.default_rng(seed)
    long = train.counts >= LONG
    if not long.any():
        return _times(towers["partitions"].choice.encoder)
    split = Split(train, part.split.test.take(long[part.split.test.users]))
    test, weights = FidelityTest.draw(split, rng, 20), user_resamples(train.n_users, RESAMPLES, rng) * long
    found = []
    for length in LENGTHS:
        told = train.take(train.rank_in_user >= (train.counts - length)[train.users])
        samples = {name: _figures(one, told, test, weights) for name, one in towers.items()}
        setting = f"latest {length} rows of users with {LONG} or more"
        for figure in ("rmse", "auc"):
            title = FIDELITY[figure].title
            pair = [samples[name][figure] for name in kinds]
            found.append(Measurement("error by length", setting, f"{title}, partitions", interval(pair[0])))
            words = f"{title}, partitions less cache alone"
            found.append(Measurement("error by length", setting, words, interval(pair[0] - pair[1])))
    return found + _times(towers["partitions"].choice.encoder)


def _figures(
    towers: TrainedTowers, told: Interactions, test: FidelityTest, weights: FloatArray
) -> dict[str, FloatArray]:
    """Samples of both figures of users who are told a log."""
    model, held_out = towers.model(told), test.split.test
    points = model.means_at(held_out.users, held_out.items)

    def wants(users: IntArray, items: IntArray) -> FloatArray:
        return at_pairs(model.log_affinity, users, items, told.n_items)

    scored = test.scored("choices", wants)
    return {
        "rmse": point_fidelity(points, held_out)["rmse"].resampled(weights),
        "auc": test.auc(scored, "uniform").resampled(weights),
    }


def _times(encoder: torch.nn.Module) -> list[Measurement]:
    """Microseconds of one row more by reading the cache alone and by reading everything; and whether old parts stay."""
    assert isinstance(encoder, Partitions)
    width = encoder.latest.in_features
    found, moved = [], 0.0
    with torch.no_grad():
        for length in LENGTHS:
            rows = torch.randn(length + 1, width, generator=torch.Generator().manual_seed(length))
            life = encoder.begin()
            for row in rows[:-1]:
                life = encoder.live(life, row)
            after = encoder.live(life, rows[-1])
            moved = max(moved, _moved(life.summaries, after.summaries))
            items, ones = torch.zeros(1, length + 1, dtype=torch.long), torch.ones(1, length + 1)
            ways: dict[str, Callable[[], object]] = {
                "the newest partition": lambda life=life, row=rows[-1]: encoder.state(encoder.live(life, row)),  # type: ignore[misc]
                "the whole history": lambda items=items, rows=rows, ones=ones: encoder(items, rows[None], ones),  # type: ignore[misc]
            }
            for way, work in ways.items():
                value = Interval(_microseconds(work), np.nan, np.nan)
                found.append(Measurement("time of one row more", f"{length} rows", f"reading {way}, us", value))
    still = Interval(moved, np.nan, np.nan)
    return [*found, Measurement("reuse", f"partitions of {PARTITION}", "largest change of an old summary", still)]


def _moved(old: torch.Tensor, new: torch.Tensor) -> float:
    return float((old - new[: len(old)]).abs().max()) if len(old) else 0.0


def _microseconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return round(min(taken) * 1e6, 1)
