"""Personas weighed by answers, of users who are new: nothing is known of them but what they answer in a session."""

from typing import NamedTuple

import numpy as np

from personagym_agents.variants.test_time import mix_personas, rating_personas
from personagym_benchmarks.variants.asked import whole_log
from personagym_benchmarks.variants.board import Measurement
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.statistics import Statistic, interval, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import rating_fidelity
from personagym_env.evaluation.reporting.figures import FIDELITY
from personagym_env.protocols import UserAgent

ANSWERS = (0, 1, 3, 5, 10)
"""That new users have given before they are asked."""
ASKED = 20
"""Rows of each new user that are asked about, right after the answers."""
NEW = 0.2
"""Share of the users with rows enough who are new."""
RESAMPLES = 500


class NewUsers(NamedTuple):
    """Users of whom no row is known."""

    users: IntArray
    """(b,)"""
    first: IntArray
    """(b, a) rows of the log that are answered in the session, in order."""
    asked: IntArray
    """(b, q) rows that are then asked about."""

    def answers(self, agent: UserAgent, log: Interactions, count: int) -> FloatArray:
        """(b q, r) ratings that users expect after so many answers."""
        rows = np.arange(len(self.users))
        sessions = agent.open(len(rows))
        sessions.start(rows, self.users)
        for place in range(count):
            answered = self.first[:, place]
            sessions.consume(rows, log.items[answered], log.rating_index[answered])
        return sessions.react(rows, log.items[self.asked]).rating.reshape(-1, len(log.scale)).astype(np.float64)


def measure(dataset: Dataset, part: NamedSplit, seed: int) -> list[Measurement]:
    """Weighed personas less the one that new users begin with, by the answers that they have given."""
    log, rng = whole_log(part.split), np.random.default_rng(seed)
    most = max(ANSWERS)
    able = np.flatnonzero(log.counts >= most + ASKED)
    if not len(able):
        return []
    users = np.sort(rng.choice(able, max(1, round(NEW * len(able))), replace=False))
    begin = log.indptr[users][:, None]
    new = NewUsers(users, begin + np.arange(most), begin + most + np.arange(ASKED))
    train = log.take(~np.isin(log.users, users))
    split = temporal_split(train)
    personas = rating_personas(blind(dataset, train), train, split.train, seed)
    weighed, fixed = (mix_personas(personas, split, train, core=core) for core in (True, False))
    test = log.take(new.asked.ravel())
    weights = user_resamples(log.n_users, RESAMPLES, rng)
    found = []
    one: dict[str, Statistic] = rating_fidelity(new.answers(fixed, log, 0), test)
    for count in ANSWERS:
        several = rating_fidelity(new.answers(weighed, log, count), test)
        setting = f"new users after {count} answers"
        for figure in ("rmse", "nll"):
            title = FIDELITY[figure].title
            samples = several[figure].resampled(weights)
            found.append(Measurement("new users", setting, f"{title}, weighed personas", interval(samples)))
            lead = interval(samples - one[figure].resampled(weights))
            found.append(Measurement("new users", setting, f"{title}, weighed less fixed persona", lead))
    return found
