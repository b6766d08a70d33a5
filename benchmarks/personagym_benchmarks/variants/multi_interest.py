"""Several interests by how diverse the users are, and what interests are told."""

import numpy as np

from personagym_agents.variants.multi_interest import find_topics, fit_multi_interest, interests_in_words
from personagym_benchmarks.variants.asked import Asked
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import Dataset, FloatArray, Interactions
from personagym_env.evaluation.core.statistics import Interval

THIRDS = ("least diverse third", "middle third", "most diverse third")


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Several interests less one, by thirds of the users in diversity."""
    train = part.split.train
    topics = find_topics(dataset.catalogue, seed)
    entropy = _entropy(train, topics.of_item, len(topics.names))
    known = train.counts > 0
    third = np.searchsorted(np.quantile(entropy[known], [1 / 3, 2 / 3]), entropy, side="right")
    agents = {
        name: fit_multi_interest(dataset, train, core=core, seed=seed)
        for name, core in (("several", True), ("one", False))
    }
    asked = Asked.of(part.split, agents, seed)
    found = []
    for number, words in enumerate(THIRDS):
        found += asked.difference("interests by diversity", words, "several", "one", known & (third == number))
    for user in np.flatnonzero(known)[:: max(1, int(known.sum()) // 3)][:3]:
        told = "; ".join(interests_in_words(topics, train, int(user)))
        share = Interval(float(entropy[user]), np.nan, np.nan)
        found.append(Measurement("interests in words", told, "entropy of topics, nats", share))
    return found


def _entropy(log: Interactions, topic_of_item: np.ndarray, topics: int) -> FloatArray:
    """(u,) of the topics of each user's rows, in nats."""
    keys = log.users * topics + topic_of_item[log.items]
    counts = np.bincount(keys, minlength=log.n_users * topics).reshape(log.n_users, topics)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1))).sum(axis=1))
