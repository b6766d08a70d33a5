"""The benchmark of the engine's kernels: each is really left out, and the answers stay the same."""

from collections.abc import Callable

import numpy as np
import pytest

from personagym_agents.inference.language_users import LanguageUserAgent
from speed.engine_kernels import (
    ALL,
    KERNELS,
    LOW_RANK,
    ONEDNN,
    ROW_ATTENTION,
    Args,
    compare,
    verdicts,
    with_random_adapters,
    without,
)

ARGS = Args(slate_size=4, repeats=6, seconds=1e-4)


@pytest.fixture(scope="module")
def users(make_language_agent: Callable[..., LanguageUserAgent]) -> LanguageUserAgent:
    agent = make_language_agent(adapted=False)
    return with_random_adapters(agent, 9, 8, np.random.default_rng(0))


def test_a_kernel_is_left_out_and_comes_back() -> None:
    for name, kernel in KERNELS.items():
        before = getattr(kernel.module, kernel.switch)
        with without(name):
            assert getattr(kernel.module, kernel.switch) is kernel.off
        assert getattr(kernel.module, kernel.switch) is before
    with without(ALL):
        assert all(getattr(kernel.module, kernel.switch) is kernel.off for kernel in KERNELS.values())


def test_answers_hardly_change_and_ratios_have_intervals(users: LanguageUserAgent) -> None:
    gains = compare(users, "9 random adapters", (ROW_ATTENTION, ONEDNN, LOW_RANK, ALL), 3, ARGS)
    assert [gain.kernel for gain in gains] == [ROW_ATTENTION, ONEDNN, LOW_RANK, ALL]
    for gain in gains:
        median, low, high = gain.ratio
        assert 0 < low <= median <= high
        assert gain.decisions_per_second > 0 < gain.without
        assert gain.largest_difference < 1e-5
    # The sums were added in another order: it was another path.
    assert all(gain.largest_difference > 0 for gain in gains if gain.kernel != ONEDNN)


def test_lines_are_those_of_the_files(users: LanguageUserAgent) -> None:
    found = verdicts(compare(users, "9 random adapters", (ROW_ATTENTION,), 2, ARGS))
    assert {name: set(verdict.lines) for name, verdict in found.items()} == {
        ROW_ATTENTION: {"row_attention.py"},
        LOW_RANK: {"low_rank.py"},
        ONEDNN: {"linear.py"},
    }
    assert found[ROW_ATTENTION].shared_lines == found[LOW_RANK].shared_lines
    assert not found[ONEDNN].earns_its_lines, "it was not measured"


def test_too_few_repeats_for_an_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        Args(repeats=5)
