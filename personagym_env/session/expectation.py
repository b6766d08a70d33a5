"""What a slate brings in expectation: the kernel's step before chance has decided anything.

Shapes: n users, k slate places, r ratings of the scale, q nodes of the quadrature.
"""

from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.protocols import Reaction
from personagym_env.session.kernel import Dynamics, Place, choice_log_odds, examination_chances

_NODES = 128
_EARLIEST, _LATEST = 1e-7, 40.0
"""Nodes begin at so small a share of the mean time until the first arrival, and end at so many means of the last."""


class SlateExpectation(NamedTuple):
    """What n users are expected to make of their slates."""

    taken: FloatArray
    """(n, k) probability that the item of each place is taken."""
    click: FloatArray
    """(n,) probability that anything is taken."""
    rating: FloatArray
    """(n,) expected rating of what is taken, the ends of the scale being 0 and 1, and 0 counting for nothing taken."""
    satisfaction: FloatArray
    """(n,) expected satisfaction after the step."""


def expect(
    reaction: Reaction,
    slates: IntArray,
    places: IntArray,
    satisfaction: FloatArray,
    satiation: FloatArray,
    drift: FloatArray,
    dynamics: Dynamics,
) -> SlateExpectation:
    """The expectation of one step of `personagym_env.session.kernel.transition`.

    Args:
        reaction: the agent's, to the slates.
        slates: (n, k) internal item ids.
        places: (n, k) from `check_places`.
        satisfaction: (n,) before the step.
        satiation: (n, g) before the step.
        drift: (n, g) before the step.
        dynamics: parameters and per-item tensors.
    """
    choice, law = dynamics.parameters.choice, dynamics.parameters.satisfaction
    share = dynamics.genre_share[slates]
    moved = choice_log_odds(reaction.choice_probability) + (share @ drift[:, :, None])[:, :, 0]
    utility = moved / choice.temperature - choice.satiation_weight * (share @ satiation[:, :, None])[:, :, 0]
    examined = examination_chances(slates.shape[1], dynamics.parameters.examination.decay)
    taken = taking_chances(np.where(places == Place.SHOWN, examined, 0.0), utility - choice.outside)
    click = taken.sum(axis=1)
    rating = (taken * (reaction.rating @ dynamics.normalised_rating)).sum(axis=1)
    pulled = law.rate * (rating - click * satisfaction) - law.miss_rate * (1 - click) * satisfaction
    return SlateExpectation(taken, click, rating, satisfaction + pulled)


def taking_chances(examined: FloatArray, utility: FloatArray) -> FloatArray:
    """(n, k) chance that each place is taken, by a multinomial logit over the places that happen to be examined.

    Gumbel maxima are first arrivals: an examined item arrives at rate exp(utility), taking nothing at rate 1, and what
    arrives first is taken. Places are examined independently, so the chance is one integral over the arrival's time,

        P_j = int e_j w_j exp(-w_j t) exp(-t) prod_{i != j} (1 - e_i + e_i exp(-w_i t)) dt,

    here by the trapezoid rule in log t.

    Args:
        examined: (n, k) chance that each place is examined; 0 where it is empty.
        utility: (n, k) over that of taking nothing.
    """
    rates = np.exp(utility)
    first = np.log(_EARLIEST / (1 + rates.sum(axis=1)))  # (n,)
    step = (np.log(_LATEST) - first) / (_NODES - 1)
    time = np.exp(first[:, None] + step[:, None] * np.arange(_NODES))  # (n, q)
    unseen = np.exp(-rates[:, :, None] * time[:, None, :])  # (n, k, q) not arrived yet
    waiting = np.maximum(1 - examined[:, :, None] * (1 - unseen), 1e-300)
    nobody = np.exp(np.log(waiting).sum(axis=1) - time)  # (n, q)
    density = (examined * rates)[:, :, None] * unseen / waiting * (nobody * time)[:, None, :]
    found = np.trapezoid(density, axis=2) * step[:, None]
    nothing = np.trapezoid(nobody * time, axis=1) * step
    return np.asarray(found / (found.sum(axis=1) + nothing)[:, None])
