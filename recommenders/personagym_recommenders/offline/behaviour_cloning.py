"""Behaviour cloning: a policy that does what the log's policy did, as well as its features can tell."""

import torch
from torch import Tensor

from personagym_recommenders.offline.networks import FORBIDDEN, ItemPolicy
from personagym_recommenders.offline.recommender import OfflineRecommender
from personagym_recommenders.offline.training import Learner
from personagym_recommenders.offline.transitions import Batch


class BehaviourCloning(OfflineRecommender):
    """Ranks by how readily the log's policy would have shown an item; rewards are not read.

    Places count as draws from a softmax over the candidates (the first step of Plackett-Luce at every place), and those
    of items that are no candidates are left out, so it learns the policy's odds among the candidates. Pomerleau,
    "Efficient Training of Artificial Neural Networks for Autonomous Navigation" (Neural Computation 1991). Limiting
    case: of a log of uniformly random slates it learns nothing but noise.
    """

    @property
    def name(self) -> str:
        """A short name for tables."""
        return "BC"

    def make_learner(self, n_state: int, n_item: int, places: int) -> Learner:
        """See `OfflineRecommender.make_learner`."""
        return _Cloner(ItemPolicy(n_state, n_item, self.width))


class _Cloner(Learner):
    """Maximum likelihood."""

    def __init__(self, network: ItemPolicy) -> None:
        super().__init__()
        self.network = network

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean negative log likelihood of a place."""
        state, items, allowed = batch.now
        logits = self.network(state, items).masked_fill(~allowed, FORBIDDEN)
        showed = batch.showed & allowed
        likelihood = torch.where(showed, torch.log_softmax(logits, dim=1), 0.0).sum()
        loss = -likelihood / showed.sum().clamp(min=1)
        return loss, {"cloning": loss}
