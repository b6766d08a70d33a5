"""Why a user clicked and why it left: the terms that decided one step, worked out anew from the state before it.

Randomness is counted and not drawn in turn, so the luck of a step can be looked up afterwards, and who does not ask
pays nothing. Shapes: n rows, k slate places.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.session import kernel
from personagym_env.session.random import gumbel

Reasons = dict[str, dict[str, FloatArray]]
"""`click` and `leave`, each with its terms (n,)."""
TERMS = {
    "click": ("want", "drift", "satiation", "luck", "probability"),
    "leave": ("base", "satisfaction", "duration", "luck"),
}
"""What decides a step; see `step_reasons`."""
_SMALL = 0.05
"""Logits that are not worth a word."""


def step_reasons(before: kernel.State, outcome: kernel.Outcome, dynamics: kernel.Dynamics) -> Reasons:
    """What decided a step.

    Returns:
        `click`: of the item taken, in logits, `want` (the user agent's), `drift` and `satiation`, which add up to its
        utility, `luck` (its Gumbel number less that of taking nothing) and `probability` (of taking it, given the
        places that were seen); all 0 where nothing was taken. `leave`: in logits `base`, `satisfaction` and `duration`,
        which add up to the log odds of leaving, and `luck`: the user leaves where the sum of the other three is above
        it.
    """
    draws = kernel.draw(before, outcome.slate)
    return {"click": _click(before, outcome, dynamics, draws), "leave": _leave(before, outcome, dynamics, draws)}


def no_reasons(n: int) -> Reasons:
    """The reasons of n rows that have had no step, in the form of any other."""
    return {part: {term: np.zeros(n) for term in terms} for part, terms in TERMS.items()}


def _click(
    before: kernel.State, outcome: kernel.Outcome, dynamics: kernel.Dynamics, draws: kernel.Draws
) -> dict[str, FloatArray]:
    choice, rows = dynamics.parameters.choice, np.arange(len(outcome.slate))
    share = dynamics.genre_share[outcome.slate]
    terms = {
        "want": kernel.choice_log_odds(outcome.choice_probability) / choice.temperature,
        "drift": np.matmul(share, before.drift[:, :, None])[:, :, 0] / choice.temperature,
        "satiation": -choice.satiation_weight * np.matmul(share, before.satiation[:, :, None])[:, :, 0],
    }
    options = outcome.examined & (outcome.places == kernel.Place.SHOWN)
    utility = np.where(options, sum(terms.values()), -np.inf)
    highest = np.maximum(utility.max(axis=1), choice.outside)
    weight = np.exp(utility - highest[:, None])
    luck = gumbel(draws.choice)
    terms["luck"] = luck[:, :-1] - luck[:, -1:]
    terms["probability"] = weight / (weight.sum(axis=1) + np.exp(choice.outside - highest))[:, None]
    took = outcome.place >= 0
    return {name: np.where(took, term[rows, outcome.place], 0.0) for name, term in terms.items()}


def _leave(
    before: kernel.State, outcome: kernel.Outcome, dynamics: kernel.Dynamics, draws: kernel.Draws
) -> dict[str, FloatArray]:
    satisfaction = kernel.satisfaction_after(before, outcome.place >= 0, outcome.rating, dynamics)
    base, satisfied, tired = kernel.leaving_terms(before.step + 1 - before.began, satisfaction, dynamics)
    return {
        "base": np.full(len(tired), base),
        "satisfaction": satisfied.astype(np.float64),
        "duration": tired.astype(np.float64),
        "luck": np.log(draws.leaving) - np.log1p(-draws.leaving),
    }


def reasons_in_words(info: Mapping[str, Any], title: str) -> list[str]:
    """Why the user of a single environment clicked, and why it left or stayed, from `info` after a step.

    Args:
        info: of `PersonaRecEnv` with `reasons`.
        title: of the item taken; not read where nothing was.

    Raises:
        ValueError: the environment was made without `reasons`.
    """
    if "reasons" not in info:
        raise ValueError("this environment gives no reasons: make it with reasons=True")
    return [_click_words(info, title), _leave_words(info)]


def _click_words(info: Mapping[str, Any], title: str) -> str:
    if info["clicked_place"] < 0:
        seen = int((info["examined"] & (info["places"] == kernel.Place.SHOWN)).sum())
        return f"Took nothing: of {len(info['places'])} places {seen} were seen, and none of them won over nothing."
    click = info["reasons"]["click"]
    parts = [f"it wanted the item ({click['want']:+.2f})"]
    if abs(click["drift"]) >= _SMALL:
        parts.append(f"its taste had drifted ({click['drift']:+.2f})")
    if abs(click["satiation"]) >= _SMALL:
        parts.append(f"it was tired of the genres ({click['satiation']:+.2f})")
    return f"Took {title} with a chance of {click['probability']:.0%}: {', '.join(parts)}; luck {click['luck']:+.2f}."


def _leave_words(info: Mapping[str, Any]) -> str:
    leave = info["reasons"]["leave"]
    logit = leave["base"] + leave["satisfaction"] + leave["duration"]
    verb = "Left" if leave["luck"] < logit else "Stayed"
    return (
        f"{verb} with a chance of leaving of {info['latent']['hazard']:.1%}: satisfaction "
        f"{leave['satisfaction']:+.2f}, time in the session {leave['duration']:+.2f}, base {leave['base']:+.2f}."
    )
