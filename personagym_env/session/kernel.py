"""The dynamics of sessions as pure functions of a named state, for n users at once.

Order of one step: the user looks at places (examination), takes one of the items seen or nothing (choice), rates what
was taken (rating), is more or less content (satisfaction) and tired of genres (satiation), changes a little (drift),
and stays or leaves (leaving). A user who leaves may come back after some days (returning) for another session of the
same episode. What the user makes of an item, the `Reaction`, comes from a user agent; all else is chance and memory.

Shapes: n users, k slate places, m items, g genres, r ratings of the scale. No array is (n, m).
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray
from personagym_env.protocols import NO_ITEM, Reaction
from personagym_env.session.parameters import RewardWeights, SessionParameters
from personagym_env.session.random import Stream, UIntArray, gumbel, uniform, uniform_columns
from personagym_env.session.returning import days_away

_WANT_MARGIN = 1e-6
"""Wants are kept this far from 0 and 1, so that their log odds are finite."""


class Place(IntEnum):
    """What stands at a place of a slate."""

    NO_SLATE = -1
    """No slate has been shown yet in this episode."""
    SHOWN = 0
    """An item that the user can take."""
    REPEATED = 1
    """Empty: the item stands at an earlier place of the slate."""
    CONSUMED = 2
    """Empty: the user has consumed the item in this episode."""
    RATED = 3
    """Empty: the user has rated the item in the training log."""


def normalised_ratings(scale: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """(r,) the rating scale, scaled so that its ends are 0 and 1; all 1 if there is only one rating."""
    values = np.asarray(scale, np.float32)
    span = values[-1] - values[0]
    return (values - values[0]) / span if span > 0 else np.ones_like(values)


@dataclass(frozen=True, eq=False)
class Dynamics:
    """What stays fixed while sessions run."""

    parameters: SessionParameters
    genre_share: FloatArray
    """(m, g) float32, see `Catalogue.genre_shares`."""
    normalised_rating: FloatArray
    """(r,) float32, from `normalised_ratings`."""
    scale: FloatArray
    """(r,) float32: the rating scale."""

    @classmethod
    def of(cls, parameters: SessionParameters, catalogue: Catalogue, scale: tuple[float, ...]) -> "Dynamics":
        """Precompute what the kernel looks up for each item and rating."""
        genre_share = catalogue.genre_shares.astype(np.float32)
        return cls(parameters, genre_share, normalised_ratings(scale), np.asarray(scale, np.float32))


class State(NamedTuple):
    """Where n episodes stand."""

    key: UIntArray
    """(n,) the randomness of the row."""
    episode: IntArray
    """(n,) episodes that the row has had before this one under its key."""
    user: IntArray
    """(n,) internal user id."""
    step: IntArray
    """(n,) decisions taken in this episode."""
    session: IntArray
    """(n,) sessions that the user has had in this episode before this one."""
    began: IntArray
    """(n,) `step` at which this session began."""
    day: FloatArray
    """(n,) float64: days that the user was away in this episode, all absences together."""
    satisfaction: FloatArray
    """(n,) float32 in 0..1, latent."""
    satiation: FloatArray
    """(n, g) float32, at least 0, latent."""
    drift: FloatArray
    """(n, g) float32: logits by which the wish for each genre has moved in this episode, latent."""

    def __repr__(self) -> str:
        return f"State({', '.join(f'{name} {array.shape}' for name, array in self._asdict().items())})"


class Outcome(NamedTuple):
    """What one step brought to n users."""

    slate: IntArray
    """(n, k) what was shown."""
    places: IntArray
    """(n, k) int8: the `Place` of each item."""
    choice_probability: FloatArray
    """(n, k) float32: the agent's probability of wanting each item, latent."""
    examined: BoolArray
    """(n, k) which places the user looked at."""
    place: IntArray
    """(n,) the place taken, -1 where none."""
    item: IntArray
    """(n,) the item consumed, `NO_ITEM` where none."""
    rating: IntArray
    """(n,) index of its rating in the scale, -1 where none."""
    hazard: FloatArray
    """(n,) float32: probability of leaving that the step ended with, latent."""
    left: BoolArray
    """(n,) whether the user left the session."""
    returned: BoolArray
    """(n,) whether a user who left came back, so that the next step is the first of another session."""
    gap_days: FloatArray
    """(n,) float32: days away before coming back, 0 where `returned` is not."""

    def __repr__(self) -> str:
        return f"Outcome({', '.join(f'{name} {array.shape}' for name, array in self._asdict().items())})"


def no_outcome(n: int, k: int) -> Outcome:
    """What the step before the first one of n episodes brought: nothing, in the form of any other step."""
    nothing, never = np.full((n, k), NO_ITEM), np.zeros(n, np.bool_)
    return Outcome(
        slate=nothing,
        places=np.full((n, k), Place.NO_SLATE, np.int8),
        choice_probability=np.zeros((n, k), np.float32),
        examined=np.zeros((n, k), np.bool_),
        place=nothing[:, 0],
        item=nothing[:, 0],
        rating=nothing[:, 0],
        hazard=np.zeros(n, np.float32),
        left=never,
        returned=never,
        gap_days=np.zeros(n, np.float32),
    )


def draw_users(key: UIntArray, episode: IntArray, n_users: int) -> IntArray:
    """(n,) user ids, uniform over `0..n_users-1`."""
    zero = np.zeros_like(episode)
    share = uniform(key, episode, zero, Stream.USER, zero[:1, None])[:, 0]
    return np.asarray(np.minimum((share * n_users).astype(np.int64), n_users - 1))


def initial(dynamics: Dynamics, key: UIntArray, episode: IntArray, user: IntArray) -> State:
    """The state before the first step of an episode."""
    n, g = len(user), dynamics.genre_share.shape[1]
    return State(
        key=key,
        episode=episode,
        user=user,
        step=np.zeros(n, np.int64),
        session=np.zeros(n, np.int64),
        began=np.zeros(n, np.int64),
        day=np.zeros(n),
        satisfaction=np.full(n, dynamics.parameters.satisfaction.initial, np.float32),
        satiation=np.zeros((n, g), np.float32),
        drift=np.zeros((n, g), np.float32),
    )


class Draws(NamedTuple):
    """The random numbers of one step, uniform in (0, 1): what they decide, by whom and by place of the slate."""

    examination: FloatArray
    """(n, k) by place."""
    rating: FloatArray
    """(n, k) by item, of which the one taken is needed: to draw them all at once is quicker than one later on."""
    choice: FloatArray
    """(n, k + 1) by item, and of taking nothing."""
    leaving: FloatArray
    """(n,)"""


def draw(state: State, slates: IntArray) -> Draws:
    """What chance has in store for one step of n sessions with slates (n, k)."""
    n, k = slates.shape
    counter = np.zeros((n, 3 * k + 2), np.uint64)
    counter[:, :k] = np.arange(k)
    counter[:, k : 2 * k] = counter[:, 2 * k : 3 * k] = slates
    widths = ((Stream.EXAMINATION, k), (Stream.RATING, k), (Stream.CHOICE, k), (Stream.OUTSIDE, 1), (Stream.LEAVING, 1))
    numbers = uniform_columns(state.key, state.episode, state.step, widths, counter)
    return Draws(numbers[:, :k], numbers[:, k : 2 * k], numbers[:, 2 * k : -1], numbers[:, -1])


@cache
def examination_chances(k: int, decay: float) -> FloatArray:
    """(k,) position-based examination (Craswell et al. 2008): place j with probability (1 / (1 + j)) ** decay."""
    return np.asarray((1.0 / (1.0 + np.arange(k))) ** decay)


def choice_log_odds(choice_probability: FloatArray) -> FloatArray:
    """The log odds of wanting items, elementwise and finite."""
    clipped = np.minimum(np.maximum(choice_probability, _WANT_MARGIN), 1 - _WANT_MARGIN)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _choose(
    state: State,
    share: FloatArray,
    options: BoolArray,
    choice_probability: FloatArray,
    draws: FloatArray,
    dynamics: Dynamics,
) -> IntArray:
    """(n,) place taken, -1 for none: multinomial logit over `options` (n, k) and the outside option, by Gumbel-max.

    With one option, no satiation and default parameters the item is taken with probability `choice_probability`:
    `exp(u) / (exp(u) + 1)` at `u = log(choice_probability / (1 - choice_probability))`.
    """
    choice = dynamics.parameters.choice
    log_odds = choice_log_odds(choice_probability)
    if dynamics.parameters.drift.scale > 0:
        log_odds = log_odds + np.matmul(share, state.drift[:, :, None])[:, :, 0]
    burden = np.matmul(share, state.satiation[:, :, None])[:, :, 0]
    utility = log_odds / choice.temperature - choice.satiation_weight * burden
    luck = gumbel(draws)
    score = np.where(options, utility + luck[:, :-1], -np.inf)
    best = score.argmax(axis=1)
    taken = score[np.arange(len(best)), best] > choice.outside + luck[:, -1]
    return np.asarray(np.where(taken, best, -1))


def _rate(distribution: FloatArray, draws: FloatArray) -> IntArray:
    """(n,) index into the scale by inverse CDF of `distribution` (n, r), with the item's own luck (n,)."""
    below = draws[:, None] >= distribution.cumsum(axis=1)
    return np.asarray(np.minimum(below.sum(axis=1), distribution.shape[1] - 1))


def _drift(state: State, consumed: BoolArray, scale: float) -> FloatArray:
    """(n, g) drift after a step: a Gaussian random walk of standard deviation `scale`, one step per consumption.

    Consumptions are its clock because they are all that a log shows, so that a scale fitted to a log fits here.
    """
    if scale == 0:
        return state.drift
    genres = np.arange(state.drift.shape[1])[None]
    random_draw = ndtri(uniform(state.key, state.episode, state.step, Stream.DRIFT, genres))
    return np.asarray(state.drift + np.where(consumed[:, None], scale * random_draw, 0).astype(np.float32))


def satisfaction_after(state: State, consumed: BoolArray, rating: IntArray, dynamics: Dynamics) -> FloatArray:
    """(n,) satisfaction once a step has brought ratings (n,) of what was consumed (n,), or nothing."""
    parameters = dynamics.parameters.satisfaction
    target = consumed * dynamics.normalised_rating[rating]
    pull = np.where(consumed, np.float32(parameters.rate), np.float32(parameters.miss_rate))
    return np.asarray(state.satisfaction + pull * (target - state.satisfaction))


def leaving_terms(
    steps: IntArray, satisfaction: FloatArray, dynamics: Dynamics
) -> tuple[float, FloatArray, FloatArray]:
    """What the log odds of leaving after (n,) steps of a session add up from: all, satisfaction (n,), duration (n,)."""
    leaving = dynamics.parameters.leaving
    return (
        leaving.intercept,
        np.asarray(leaving.satisfaction_weight * satisfaction),
        np.asarray(leaving.duration_weight * np.log1p(steps)),
    )


def _return(state: State, left: BoolArray, dynamics: Dynamics) -> tuple[State, BoolArray, FloatArray]:
    """Bring users who left back, if the episode has sessions left and they come before its horizon.

    While a user is away, satiation and what satisfaction has moved from its initial level halve every `recovery` days.
    The agent's memory and the drift of taste stay as they are.

    Args:
        state: after the step.
        left: (n,) who left.
        dynamics: parameters and per-item tensors.

    Returns:
        The state, (n,) who came back, and (n,) float32 after how many days, 0 for the others.
    """
    parameters = dynamics.parameters.returning
    if parameters.max_sessions <= 1:
        return state, np.zeros_like(left), np.zeros(len(left), np.float32)
    may = left & (state.session + 1 < parameters.max_sessions)
    if not may.any():
        return state, may, np.zeros(len(left), np.float32)
    # The number of the step that was left at; with it the luck of a return belongs to its place in the episode.
    random_draw = uniform(state.key, state.episode, state.step - 1, Stream.RETURNING, np.zeros((1, 1), np.int64))[:, 0]
    days = days_away(random_draw, state.satisfaction, parameters)
    returned = may & (state.day + days <= parameters.horizon)
    kept = np.where(returned, 0.5 ** (days / parameters.recovery), 1).astype(np.float32)
    start = np.float32(dynamics.parameters.satisfaction.initial)
    after = state._replace(
        session=state.session + returned,
        began=np.where(returned, state.step, state.began),
        day=state.day + np.where(returned, days, 0),
        satisfaction=np.where(returned, start + kept * (state.satisfaction - start), state.satisfaction),
        satiation=kept[:, None] * state.satiation,
    )
    return after, returned, np.where(returned, days, 0).astype(np.float32)


def transition(
    state: State, slates: IntArray, places: IntArray, reaction: Reaction, dynamics: Dynamics
) -> tuple[State, Outcome]:
    """One step of n sessions.

    Args:
        state: n sessions.
        slates: (n, k) internal item ids.
        places: (n, k) from `check_places`.
        reaction: the agent's reaction to the slates; what it says of empty places is ignored.
        dynamics: parameters and per-item tensors.

    Returns:
        The state after the step, and what happened.
    """
    parameters = dynamics.parameters
    rows = np.arange(len(slates))
    draws = draw(state, slates)
    share = dynamics.genre_share[slates]
    examined = draws.examination < examination_chances(slates.shape[1], parameters.examination.decay)
    options = examined & (places == Place.SHOWN)
    place = _choose(state, share, options, reaction.choice_probability, draws.choice, dynamics)
    consumed = place >= 0
    taken = slates[rows, place]
    rating = _rate(reaction.rating[rows, place], draws.rating[rows, place])
    satisfaction = satisfaction_after(state, consumed, rating, dynamics)
    exposure = consumed[:, None] * share[rows, place]
    step = state.step + 1
    base, satisfied, tired = leaving_terms(step - state.began, satisfaction, dynamics)
    hazard = expit(base + satisfied + tired).astype(np.float32)
    left = draws.leaving < hazard
    after = state._replace(
        step=step,
        satisfaction=satisfaction,
        satiation=np.float32(parameters.satiation.decay) * state.satiation + exposure,
        drift=_drift(state, consumed, parameters.drift.scale),
    )
    after, returned, gap_days = _return(after, left, dynamics)
    outcome = Outcome(
        slate=slates,
        places=places,
        # A copy: the agent may use its own array again.
        choice_probability=np.array(reaction.choice_probability, np.float32),
        examined=examined,
        place=place,
        item=np.where(consumed, taken, NO_ITEM),
        rating=np.where(consumed, rating, -1),
        hazard=hazard,
        left=left,
        returned=returned,
        gap_days=gap_days,
    )
    return after, outcome


def reward_components(outcome: Outcome, dynamics: Dynamics) -> dict[str, FloatArray]:
    """Each (n,) float64, named as the fields of `RewardWeights`."""
    consumed = outcome.item != NO_ITEM
    return {
        "rating": (consumed * dynamics.normalised_rating[outcome.rating]).astype(np.float64),
        "click": consumed.astype(np.float64),
        "leave": outcome.left.astype(np.float64),
        "empty": (outcome.places > Place.SHOWN).sum(axis=1).astype(np.float64),
        "retention": outcome.returned.astype(np.float64),
    }


def reward(components: dict[str, FloatArray], weights: RewardWeights) -> FloatArray:
    """(n,) float64: the weighted sum of the components."""
    total = np.zeros(len(components["rating"]))
    for name, component in components.items():
        weight = getattr(weights, name)
        if weight:
            total += weight * component
    return total


def terminal(state: State, outcome: Outcome, max_episode_steps: int | None) -> tuple[BoolArray, BoolArray]:
    """(n,) terminated: the user left and is not back; (n,) truncated: the episode has had `max_episode_steps` steps."""
    truncated = np.zeros_like(outcome.left) if max_episode_steps is None else state.step >= max_episode_steps
    return outcome.left & ~outcome.returned, truncated
