"""Every variant keeps the promises of the protocol, with and without its core, and is found by its name."""

from collections.abc import Callable

import pytest

import personagym_agents
from personagym_agents import USER_AGENTS
from personagym_agents.variants import VARIANTS
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.protocols import FingerprintedAgent


@pytest.fixture(scope="module")
def tiny(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset(n_users=8, n_items=24, per_user=8)


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_conform(name: str, tiny: Dataset) -> None:
    prints = set()
    for core in (True, False):
        agent = VARIANTS[name].fit(tiny, tiny.interactions, core=core)
        assert isinstance(agent, FingerprintedAgent)
        prints.add(agent.fingerprint)
        check_user_agent(agent)
    assert len(prints) == 2
    assert None not in prints


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_users_by_name(name: str, tiny: Dataset) -> None:
    assert USER_AGENTS[name].kind == "variant"
    assert personagym_agents.load(name, tiny, tiny.interactions).name == name


@pytest.mark.parametrize("name", VARIANTS)
def test_an_empty_log_is_refused(name: str, tiny: Dataset) -> None:
    log: Interactions = tiny.interactions
    with pytest.raises(ValueError, match=f"'{name}' users need at least one training row, got an empty log"):
        VARIANTS[name].fit(tiny, log.take(log.users < 0))
