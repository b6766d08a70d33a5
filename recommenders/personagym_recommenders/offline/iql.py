"""Implicit Q-learning with the value of a slate decomposed by its items."""

import torch
from torch import Tensor

from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.offline.networks import SituationNetwork, SlateNetwork
from personagym_recommenders.offline.recommender import OfflineRecommender
from personagym_recommenders.offline.slate_values import SlateLearner, check_discount
from personagym_recommenders.offline.training import Learner
from personagym_recommenders.offline.transitions import Batch


class IQL(OfflineRecommender):
    """Shows the slate of the highest value, learned without ever asking for the value of a slate outside of the log.

    The value of a situation is an upper expectile of the values of the slates that the log shows in it: Kostrikov,
    Nair, Levine, "Offline Reinforcement Learning with Implicit Q-Learning" (ICLR 2022). The paper draws its policy
    from Q by advantage-weighted regression, which can only shift odds between logged slates; here the slate is read
    off Q, which its decomposition by items makes possible. Limiting case: an expectile of 1/2 gives the value of the
    log's policy, and one step of improvement on it.

    Args:
        features: see `OfflineRecommender`.
        width: hidden units.
        discount: of a step, in 0..1.
        expectile: in 0..1, both excluded.
    """

    def __init__(
        self, features: CandidateFeatures, width: int = 32, discount: float = 0.9, expectile: float = 0.8
    ) -> None:
        super().__init__(features, width)
        check_discount(discount)
        if not 0 < expectile < 1:
            raise ValueError(f"expectile must lie between 0 and 1, got {expectile}")
        self.discount = discount
        self.expectile = expectile

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"IQL {self.expectile:g}"

    def make_learner(self, n_state: int, n_item: int, places: int) -> Learner:
        """See `OfflineRecommender.make_learner`."""
        network = SlateNetwork(n_state, n_item, places, self.width)
        return _ImplicitLearner(network, SituationNetwork(n_state, self.width), self.discount, self.expectile)


class _ImplicitLearner(SlateLearner):
    """Temporal differences against a value that is an expectile."""

    def __init__(self, network: SlateNetwork, situation: SituationNetwork, discount: float, expectile: float) -> None:
        super().__init__(network, discount)
        self.situation = situation
        self.expectile = expectile

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Choice, temporal difference, expectile."""
        state = batch.now.state
        with torch.no_grad():
            following = self.situation(batch.later.state)
            logged = self.target(state, batch.shown)
        choice, difference = self.fit(batch, following)
        above = logged - self.situation(state)
        expectile = (torch.abs(self.expectile - (above < 0).float()) * above**2).mean()
        parts = {"choice": choice, "difference": difference, "expectile": expectile, "value": logged.mean()}
        return choice + difference + expectile, parts
