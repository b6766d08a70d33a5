"""Who stays: a head on learned encodings, the same on drawn ones, and the fitted law, by the number of labels."""

import numpy as np

from personagym_agents.variants.satisfaction import StayingHead, fit_head, learn_features
from personagym_agents.variants.session_encoder import EncoderSettings
from personagym_benchmarks.variants.asked import whole_log
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import BoolArray, Dataset, FloatArray, Interactions
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import choice_auc
from personagym_env.session.cuts import SessionCuts, cut_sessions, satisfaction_after
from personagym_env.session.kernel import normalised_ratings
from personagym_env.session.parameters import Satisfaction

LABELS = (10, 100, 1_000)
DRAWS, RESAMPLES = 40, 500
SETTINGS = EncoderSettings()
LEARNED, DRAWN, LAW = "learned encodings", "drawn encodings", "fitted law"


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Log loss and AUC on held-out rows, over draws of the labels; nothing of a log without times."""
    train = part.split.train
    if train.timestamps is None:
        return []
    log = whole_log(part.split)
    early, whole = cut_sessions(train), cut_sessions(log)
    held_out = ~train.contains(log.users, log.items)
    known, asked = np.flatnonzero(early.telling), np.flatnonzero(whole.telling & held_out)
    if not len(known) or not len(asked):
        return []
    initial = float(normalised_ratings(train.scale)[train.rating_index].mean())
    features = {
        name: learn_features(train, dataset, core=core, seed=seed, settings=SETTINGS)
        for name, core in ((LEARNED, True), (DRAWN, False))
    }
    told = {name: (one.of_log(train, early, known), one.of_log(log, whole, asked)) for name, one in features.items()}
    told[LAW] = _law(train, early, initial)[known], _law(log, whole, initial)[asked]
    stayed, stays = ~early.last[known], ~whole.last[asked]
    weights = user_resamples(log.n_users, RESAMPLES, np.random.default_rng(seed))
    found = []
    for count in dict.fromkeys([*(one for one in LABELS if one < len(known)), len(known)]):
        losses, areas = {}, {}
        for name, (read, asks) in told.items():
            heads = [_head(read, stayed, count, seed + draw) for draw in range(DRAWS if count < len(known) else 1)]
            chances = [np.clip(head.staying(asks), 1e-6, 1 - 1e-6) for head in heads]
            loss = np.mean([-np.log(np.where(stays, chance, 1 - chance)) for chance in chances], axis=0)
            losses[name] = RatioOfSums.of_users(log.users[asked], loss, log.n_users).resampled(weights)
            areas[name] = float(np.mean([_area(chance, stays) for chance in chances]))
        setting = f"{count:,} labels"
        for name in told:
            found.append(Measurement("who stays", setting, f"log loss, {name}", interval(losses[name])))
            found.append(Measurement("who stays", setting, f"AUC, {name}", Interval(areas[name], np.nan, np.nan)))
        for name in (DRAWN, LAW):
            gap = interval(losses[LEARNED] - losses[name])
            found.append(Measurement("who stays", setting, f"log loss, {LEARNED} less {name}", gap))
    return found


def _head(features: FloatArray, stayed: BoolArray, count: int, seed: int) -> StayingHead:
    some = np.random.default_rng(seed).permutation(len(features))[:count]
    return fit_head(features[some], stayed[some])


def _law(log: Interactions, sessions: SessionCuts, initial: float) -> FloatArray:
    """(n, 2) what the kernel's hazard of leaving reads: satisfaction after each row, and duration."""
    felt = normalised_ratings(log.scale)[log.rating_index].astype(np.float64)
    level = satisfaction_after(felt, sessions, initial, Satisfaction().rate)
    return np.column_stack([level, np.log1p(sessions.position)])


def _area(chance: FloatArray, stays: BoolArray) -> float:
    """Chance that a row that stays has more of the chance than one that leaves; ties count half."""
    one = np.zeros(1, np.int64)
    found = choice_auc(np.zeros(int(stays.sum()), np.int64), chance[stays], chance[None, ~stays], one, 1)
    return float(found.per_user[0])
