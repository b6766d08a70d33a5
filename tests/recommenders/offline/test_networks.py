"""The value of a slate is what its choice model and its items' values say, and the greedy slate is the best one."""

from itertools import permutations

import pytest
import torch

from personagym_recommenders.offline.networks import SlateNetwork


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = SlateNetwork(3, 2, places=2, width=8)
    with torch.no_grad():
        made.place.copy_(torch.tensor([0.3, -0.7]))
    return made


def test_a_slate_is_worth_its_expected_outcome(network):
    state, slates = torch.randn(5, 3), torch.randn(5, 2, 2)
    chosen = torch.softmax(network.choice_logits(state, slates), dim=1)
    outcomes = [network.outcome_value(state, slates, torch.full((5,), place)) for place in (-1, 0, 1)]
    expected = (chosen * torch.stack(outcomes, dim=1)).sum(dim=1)
    torch.testing.assert_close(network(state, slates), expected)


def test_the_greedy_slate_is_the_best_of_all(network):
    state, items = torch.randn(40, 3), torch.randn(40, 6, 2)
    allowed = torch.ones(40, 6, dtype=torch.bool)
    allowed[:, 4] = False
    found = network(state, network.greedy_slates(state, items, allowed))
    options = [pair for pair in permutations(range(6), 2) if 4 not in pair]
    best = torch.stack([network(state, items[:, list(pair)]) for pair in options]).amax(dim=0)
    torch.testing.assert_close(found, best)


def test_only_values_learn_from_a_slates_value(network):
    network(torch.randn(5, 3), torch.randn(5, 2, 2)).sum().backward()
    assert network.place.grad is None
    assert all(weight.grad is None for weight in network.utility.parameters())
    assert network.taken.item.weight.grad is not None
