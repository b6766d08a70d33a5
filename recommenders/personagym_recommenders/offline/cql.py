"""Conservative Q-learning with the value of a slate decomposed by its items."""

import torch
from torch import Tensor

from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.offline.networks import SlateNetwork
from personagym_recommenders.offline.recommender import OfflineRecommender
from personagym_recommenders.offline.slate_values import SlateLearner, check_discount
from personagym_recommenders.offline.training import Learner
from personagym_recommenders.offline.transitions import Batch


class CQL(OfflineRecommender):
    """Shows the slate of the highest value, where slates that the log does not have are held to be worth less.

    Q-learning on `SlateNetwork` with a double estimate of the next value (van Hasselt, Guez, Silver, AAAI 2016) and the
    penalty `conservatism * (Q(s, greedy slate) - Q(s, logged slate))`: Kumar et al., "Conservative Q-Learning for
    Offline Reinforcement Learning" (NeurIPS 2020), equation 2, with the greedy policy as the one whose values are kept
    down. Limiting cases: without penalty it is SlateQ, under a large one it prefers what the log shows.

    Args:
        features: see `OfflineRecommender`.
        width: hidden units.
        discount: of a step, in 0..1.
        conservatism: weight of the penalty, in units of reward, at least 0.
    """

    def __init__(
        self, features: CandidateFeatures, width: int = 32, discount: float = 0.9, conservatism: float = 0.01
    ) -> None:
        super().__init__(features, width)
        check_discount(discount)
        if not conservatism >= 0:
            raise ValueError(f"conservatism must be at least 0, got {conservatism}")
        self.discount = discount
        self.conservatism = conservatism

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"CQL {self.conservatism:g}"

    def make_learner(self, n_state: int, n_item: int, places: int) -> Learner:
        """See `OfflineRecommender.make_learner`."""
        network = SlateNetwork(n_state, n_item, places, self.width)
        return _ConservativeLearner(network, self.discount, self.conservatism)


class _ConservativeLearner(SlateLearner):
    """Temporal differences with a penalty."""

    def __init__(self, network: SlateNetwork, discount: float, conservatism: float) -> None:
        super().__init__(network, discount)
        self.conservatism = conservatism

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Choice, temporal difference, penalty."""
        with torch.no_grad():
            following = self.target(batch.later.state, self.greedy_slates(*batch.later))
        choice, difference = self.fit(batch, following)
        state = batch.now.state
        greedy = self.network(state, self.greedy_slates(*batch.now))
        logged = self.network(state, batch.shown)
        penalty = (greedy - logged).mean()
        parts = {"choice": choice, "difference": difference, "penalty": penalty, "value": logged.mean()}
        return choice + difference + self.conservatism * penalty, parts
