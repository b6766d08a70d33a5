"""Dual memory as its paper measures it: ten candidates ranked, of which one was taken."""

import numpy as np

from personagym_agents.variants.dual_memory import fit_dual_memory
from personagym_benchmarks.variants.board import Measurement
from personagym_env.collaborative.affinity import fit_affinity
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.evaluation.core.negatives import matched_items, unseen_items
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.statistics import RatioOfSums, interval, user_resamples

CANDIDATES, CUTS = 10, (1, 5, 10)
RESAMPLES = 500


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """NDCG of the first held-out row among nine items that the user never took: any, or as popular as it."""
    split, rng = part.split, np.random.default_rng(seed)
    train, test = split
    agents = {
        name: fit_dual_memory(dataset, train, core=core, seed=seed)
        for name, core in (("disagreement", True), ("agreement alone", False))
    }
    room = train.n_items - train.counts - test.counts
    users = np.flatnonzero((test.counts > 0) & (room >= CANDIDATES))
    taken = test.items[test.indptr[users]]
    affinity = fit_affinity(train)
    popularity = np.bincount(train.items, minlength=train.n_items).astype(np.float64)
    weights = user_resamples(train.n_users, RESAMPLES, rng)
    found = []
    for words, draw in (("any items", unseen_items), ("as popular", matched_items)):
        others = draw(Split(train, test), users, CANDIDATES - 1, rng)
        shown = np.concatenate([taken[:, None], others], axis=1)
        everyone, items = np.repeat(users, CANDIDATES), shown.ravel()
        scores = {name: react_to_pairs(agent, everyone, items).choice_probability for name, agent in agents.items()} | {
            "popularity": popularity[items],
            "co-consumption": at_pairs(affinity.log_affinity, everyone, items, train.n_items),
        }
        samples = {name: ndcg_of_first(users, score.reshape(shown.shape), weights) for name, score in scores.items()}
        setting = f"1 taken among {CANDIDATES}, the others {words}"
        for name, cuts in samples.items():
            for cut, values in cuts.items():
                found.append(Measurement("ranking", setting, f"NDCG@{cut}, {name}", interval(values)))
                if name != "disagreement":
                    figure = f"NDCG@{cut}, disagreement less {name}"
                    found.append(
                        Measurement("ranking", setting, figure, interval(samples["disagreement"][cut] - values))
                    )
    return found


def ndcg_of_first(users: IntArray, scores: FloatArray, weights: FloatArray) -> dict[int, FloatArray]:
    """(b,) at each cut, of candidates (n, c) of which the first was taken; ties share a rank."""
    above = (scores[:, 1:] > scores[:, :1]).sum(axis=1) + 0.5 * (scores[:, 1:] == scores[:, :1]).sum(axis=1)
    return {
        cut: RatioOfSums.of_users(
            users, np.where(above < cut, 1 / np.log2(2 + above), 0.0), weights.shape[1]
        ).resampled(weights)
        for cut in CUTS
    }
