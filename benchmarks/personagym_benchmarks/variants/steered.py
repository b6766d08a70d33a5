"""Steering: error against layer, multiplier and neighbours, and what it takes for a user."""

import time
from dataclasses import replace

import numpy as np

from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.variants.steered import SteeringSettings, fit_steered, read_vectors, steered
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import Dataset, FloatArray, Interactions
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.statistics import Interval, Statistic, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import rating_fidelity

USERS = 150
LAYERS, MULTIPLIERS, NEIGHBOURS = (0, -2, -1), (0.5, 1.0, 2.0), (1, 5, 20)
RESAMPLES = 500


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Each setting less no steering, on the held-out rows of some users; one setting moves at a time."""
    train, test = part.split
    base = fit_steered(dataset, train, core=False)
    users = base.users if isinstance(base, LinkedUsers) else base
    rng = np.random.default_rng(seed)
    asked = rng.permutation(np.flatnonzero((test.counts > 0) & (train.counts > 0)))[:USERS]
    rows = test.take(np.isin(test.users, asked))
    weights = user_resamples(train.n_users, RESAMPLES, rng)
    usual = SteeringSettings()
    still, found = _figures(base, users, rows), []

    def less(setting: SteeringSettings, words: str, vectors: object) -> None:
        moved = _figures(base, steered(users, vectors, "steered"), rows)  # type: ignore[arg-type]
        for name in ("rmse", "nll"):
            gap = moved[name].resampled(weights) - still[name].resampled(weights)
            found.append(Measurement(f"{words}, less no steering", _words(setting), name.upper(), interval(gap)))

    for layer in LAYERS:
        begin = time.process_time()
        vectors = read_vectors(users, replace(usual, layer=layer), asked)
        seconds = (time.process_time() - begin) / len(asked)
        less(vectors.settings, "error by layer", vectors)
        if layer == usual.layer:
            took = Interval(1000 * seconds, np.nan, np.nan)
            found.append(Measurement("time", f"{usual.samples} rows of a user", "processor milliseconds", took))
            for multiplier in MULTIPLIERS:
                chosen = replace(usual, multiplier=multiplier)
                less(chosen, "error by multiplier", vectors.with_settings(chosen))
            for count in NEIGHBOURS:
                chosen = replace(usual, neighbours=count)
                less(chosen, "error by neighbours", vectors.with_settings(chosen))
    return found


def _words(setting: SteeringSettings) -> str:
    return f"layer {setting.layer}, multiplier {setting.multiplier:g}, {setting.neighbours} neighbours"


def _figures(
    base: LanguageUserAgent | LinkedUsers, users: LanguageUserAgent, rows: Interactions
) -> dict[str, Statistic]:
    """Of the users' answers, linked where the base's are."""
    agent: LanguageUserAgent | LinkedUsers = users
    if isinstance(base, LinkedUsers):
        agent = LinkedUsers(users, base.link, base.use, alone=base.alone, name=base.name)
    said: FloatArray = react_to_pairs(agent, rows.users, rows.items).rating
    return rating_fidelity(said, rows)
