"""A log and a policy as estimators read them."""

from collections.abc import Iterator

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.protocols import Propensities, StochasticRecommender, rows_of

_BLOCK = 4_096
"""Decisions whose propensities are asked for at once."""


def decisions_of(
    logged: LoggedDecisions, policy: StochasticRecommender, profiles: FloatArray, history_length: int
) -> Decisions:
    """What was logged, with the propensities that the evaluation policy has in the same situations.

    Args:
        logged: whole episodes, each of which counts as one session.
        policy: fitted on rows that it could have known when the log began; its own log would flatter it.
        profiles: (u, f) profile features of all users, as the policy expects them.
        history_length: steps that the policy looks back.

    Raises:
        ValueError: the policy knows other users or items.
    """
    observation = logged.observation(profiles, history_length)
    asked = [policy.propensities(rows_of(observation, part), logged.slate[part]) for part in _parts(len(logged))]
    return Decisions(
        session=logged.session,
        reward=logged.reward,
        place_reward=logged.place_reward,
        logging=logged.propensities,
        evaluation=Propensities(*(np.concatenate(columns) for columns in zip(*asked, strict=True))),
    )


def _parts(n: int) -> Iterator[slice]:
    for begin in range(0, n, _BLOCK):
        yield slice(begin, begin + _BLOCK)
