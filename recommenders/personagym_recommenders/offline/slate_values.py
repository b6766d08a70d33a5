"""What CQL and IQL share: the choice model, the temporal difference, and the target network."""

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from personagym_recommenders.offline.networks import SlateNetwork
from personagym_recommenders.offline.training import Learner, move_towards
from personagym_recommenders.offline.transitions import Batch

_SHARE = 0.01
"""Of the way that the target network goes in a step."""


class Fit(NamedTuple):
    """Losses of the slate network on a batch."""

    choice: Tensor
    """Cross-entropy of what was taken."""
    difference: Tensor
    """Squared temporal difference of what was taken."""


def check_discount(discount: float) -> None:
    """Raise ValueError unless a discount lies in 0..1."""
    if not 0 <= discount <= 1:
        raise ValueError(f"discount must lie in 0..1, got {discount}")


class SlateLearner(Learner):
    """A slate network and its slowly following target.

    Args:
        network: with fresh weights.
        discount: of a step.
    """

    network: SlateNetwork

    def __init__(self, network: SlateNetwork, discount: float) -> None:
        super().__init__()
        self.network = network
        self.target = deepcopy(network).requires_grad_(False)
        self.discount = discount

    def fit(self, batch: Batch, next_value: Tensor) -> Fit:
        """How well choices are foretold, and what was taken is valued, given the value (b,) of what is next."""
        state, shown = batch.now.state, batch.shown
        choice = nn.functional.cross_entropy(self.network.choice_logits(state, shown), batch.place + 1)
        goal = batch.reward + self.discount * batch.goes_on * next_value
        return Fit(choice, nn.functional.mse_loss(self.network.outcome_value(state, shown, batch.place), goal))

    @torch.no_grad()
    def greedy_slates(self, state: Tensor, items: Tensor, allowed: Tensor) -> Tensor:
        """(b, k, d) what the network would show."""
        return self.network.greedy_slates(state, items, allowed)

    def follow(self) -> None:
        """Move the target network."""
        move_towards(self.target, self.network, _SHARE)
