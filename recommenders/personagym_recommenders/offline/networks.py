"""Networks over a situation and the items that may be shown in it, and the values of slates that they add up to.

Shapes: b situations, p items, k places, s numbers of a situation, d of an item.
"""

import torch
from torch import Tensor, nn

_REFINEMENTS = 3
"""Rounds in which the greedy slate and its value are found; the third changes hardly a slate."""
FORBIDDEN = -1e9
"""Score of what may not be shown."""


class SituationNetwork(nn.Module):
    """One number for each situation.

    Args:
        n_state: numbers s of a situation.
        width: hidden units.
    """

    def __init__(self, n_state: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_state, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, state: Tensor) -> Tensor:
        """(b, s) to (b,)."""
        found: Tensor = self.layers(state)[:, 0]
        return found


class ItemNetwork(nn.Module):
    """One number for each item in a situation: a linear part, and a hidden layer in which both meet.

    The situation is encoded once for all of its items, so an item costs no more than its own few features.

    Args:
        n_state: numbers s of a situation.
        n_item: numbers d of an item.
        width: hidden units.
    """

    def __init__(self, n_state: int, n_item: int, width: int) -> None:
        super().__init__()
        self.state = nn.Sequential(nn.Linear(n_state, width), nn.ReLU(), nn.Linear(width, width))
        self.item = nn.Linear(n_item, width, bias=False)
        self.out = nn.Linear(width, 1)
        self.linear = nn.Linear(n_item, 1, bias=False)

    def forward(self, state: Tensor, items: Tensor) -> Tensor:
        """(b, s) and (b, p, d) to (b, p)."""
        hidden = torch.relu(self.state(state)[:, None] + self.item(items))
        found: Tensor = (self.out(hidden) + self.linear(items))[:, :, 0]
        return found


class ItemPolicy(ItemNetwork):
    """A policy that draws items in proportion to `exp` of one number each."""

    @torch.no_grad()
    def scores(self, state: Tensor, items: Tensor, allowed: Tensor) -> Tensor:
        """(b, p) the numbers; items that are not allowed have the lowest."""
        found: Tensor = self(state, items).masked_fill(~allowed, FORBIDDEN)
        return found


class SlateNetwork(nn.Module):
    """The value of a slate, decomposed by its items as in SlateQ (Ie et al., IJCAI 2019, equation 6).

    `Q(s, A) = sum over places j of P(j | s, A) q(s, A_j) + P(none | s, A) q_none(s)`: what follows depends on a slate
    only through what is taken from it. The choice is a conditional logit with a weight for each place,
    `P(j | s, A) ~ exp(u(s, A_j) + place_j)`, against 1 for taking nothing.

    Args:
        n_state: numbers s of a situation.
        n_item: numbers d of an item.
        places: places k of a slate.
        width: hidden units of each part.
    """

    def __init__(self, n_state: int, n_item: int, places: int, width: int) -> None:
        super().__init__()
        self.utility = ItemNetwork(n_state, n_item, width)
        self.taken = ItemNetwork(n_state, n_item, width)
        self.none = SituationNetwork(n_state, width)
        self.place = nn.Parameter(torch.zeros(places))

    def choice_logits(self, state: Tensor, slates: Tensor) -> Tensor:
        """(b, 1 + k) log odds of taking nothing, then of each place, of slates (b, k, d)."""
        utility = self.utility(state, slates) + self.place
        return torch.cat([torch.zeros_like(utility[:, :1]), utility], dim=1)

    def outcome_value(self, state: Tensor, slates: Tensor, place: Tensor) -> Tensor:
        """(b,) q of what was taken from slates (b, k, d) at `place` (b,), -1 for nothing."""
        taken = self.taken(state, slates).gather(1, place.clamp(min=0)[:, None])[:, 0]
        return torch.where(place >= 0, taken, self.none(state))

    def forward(self, state: Tensor, slates: Tensor) -> Tensor:
        """(b,) Q of slates (b, k, d); the choice model counts as given, so gradients reach the values alone."""
        chosen = torch.softmax(self.choice_logits(state, slates).detach(), dim=1)
        values = torch.cat([self.none(state)[:, None], self.taken(state, slates)], dim=1)
        return (chosen * values).sum(dim=1)

    @torch.no_grad()
    def scores(self, state: Tensor, items: Tensor, allowed: Tensor) -> Tensor:
        """(b, p) scores whose k best, in this order, are the slate of the highest value.

        A slate's value is a ratio of sums, so the best slate has the items with the highest `exp(u) (q - Q*)`, where Q*
        is its own value (Ie et al. 2019, section 5.1). Q* is found from below by Dinkelbach's method (Management
        Science 1967): the value of the slate that is best for the last Q*.

        Args:
            state: (b, s)
            items: (b, p, d) at least k of each row.
            allowed: (b, p) which of them may be shown; others have the lowest score.
        """
        utility, taken, best = self.utility(state, items), self.taken(state, items), self.none(state)
        weight = torch.exp(utility)
        outside = best
        for _ in range(_REFINEMENTS):
            score = (weight * (taken - best[:, None])).masked_fill(~allowed, FORBIDDEN)
            top = score.topk(min(len(self.place), score.shape[1]), dim=1).indices
            attended = torch.exp(self.place[: top.shape[1]]) * weight.gather(1, top) * allowed.gather(1, top)
            best = ((attended * taken.gather(1, top)).sum(1) + outside) / (1 + attended.sum(1))
        found: Tensor = (weight * (taken - best[:, None])).masked_fill(~allowed, FORBIDDEN)
        return found

    def greedy_slates(self, state: Tensor, items: Tensor, allowed: Tensor) -> Tensor:
        """(b, k, d) the slates of the highest value; arguments as of `scores`."""
        top = self.scores(state, items, allowed).topk(len(self.place), dim=1).indices
        return items.gather(1, top[:, :, None].expand(-1, -1, items.shape[2]))
