"""Reasons are the kernel's own terms: they add up to what decided the step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from personagym_env import PersonaRecEnv, PersonaRecVectorEnv, World, make_world
from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_ITEM
from personagym_env.session.reasons import reasons_in_words

DRIFTING = {"drift": {"scale": 0.3}, "choice": {"temperature": 0.7, "outside": 0.4}, "returning": {"max_sessions": 3}}


@pytest.fixture(scope="module")
def world(make_dataset: Callable[..., Dataset], make_agent: Callable[..., Any]) -> World:
    data = make_dataset(n_users=6, n_items=40, per_user=8)
    return make_world(data, make_agent(6, 40, choice_probability=0.6), parameters=DRIFTING)


def test_terms_add_up_to_what_decided_the_step(world: World) -> None:
    env = PersonaRecVectorEnv(world, 8, 4, reasons=True)
    env.reset(seed=3)
    took = left = 0
    for step in range(40):
        *_, info = env.step(np.random.default_rng(step).integers(40, size=(8, 4)))
        live = info["places"][:, 0] >= 0  # a row that began again has been shown nothing
        leave, click = info["reasons"]["leave"], info["reasons"]["click"]
        logit = leave["base"] + leave["satisfaction"] + leave["duration"]
        np.testing.assert_allclose(expit(logit)[live], info["latent"]["hazard"][live], rtol=1e-5)
        np.testing.assert_array_equal((leave["luck"] < logit)[live], info["reward_components"]["leave"][live] > 0)
        chosen = live & (info["clicked_item"] != NO_ITEM)
        utility = click["want"] + click["drift"] + click["satiation"]
        assert (utility + click["luck"] > 0.4)[chosen].all()  # more than taking nothing
        assert ((click["probability"] > 0) & (click["probability"] < 1))[chosen].all()
        assert not click["probability"][~chosen].any()
        took, left = took + int(chosen.sum()), left + int(info["reward_components"]["leave"][live].sum())
    assert took > 50
    assert left > 5


def test_clicks_are_as_frequent_as_their_probabilities_say(make_dataset: Callable[..., Dataset], world: World) -> None:
    """One place that everybody looks at: the inverse of the chance, over those who took it, counts all steps."""
    attentive = make_world(world.dataset, world.agent, parameters={"examination": {"decay": 0.0}})
    env = PersonaRecVectorEnv(attentive, 200, 1, reasons=True)
    env.reset(seed=5)
    *_, info = env.step(np.random.default_rng(0).integers(40, size=(200, 1)))
    shown = info["places"][:, 0] == 0
    probability = info["reasons"]["click"]["probability"]
    taken = probability > 0
    assert (1 / probability[taken]).sum() == pytest.approx(shown.sum(), rel=0.2)


def test_nobody_pays_who_does_not_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personagym_env.session.batched_episodes.step_reasons", None)
    env = PersonaRecEnv(world, 4)
    env.reset(seed=1)
    *_, info = env.step(np.arange(4))
    assert "reasons" not in info
    with pytest.raises(ValueError, match="reasons=True"):
        reasons_in_words(info, "Heat")


def test_reasons_in_words_follow_the_numbers(world: World) -> None:
    env = PersonaRecEnv(world, 4, reasons=True)
    _, info = env.reset(seed=1)
    assert info["reasons"]["leave"]["base"] == 0
    said = set()
    for step in range(30):
        *_, terminated, truncated, info = env.step(np.random.default_rng(step).integers(40, size=4))
        click, leave = reasons_in_words(info, "Heat")
        assert click.startswith("Took Heat" if info["clicked_item"] != NO_ITEM else "Took nothing")
        assert leave.startswith("Left" if info["reward_components"]["leave"] else "Stayed")
        said |= {click.split()[1], leave.split()[0]}
        if terminated or truncated:
            env.reset()
    assert said == {"Heat", "nothing:", "Left", "Stayed"}
