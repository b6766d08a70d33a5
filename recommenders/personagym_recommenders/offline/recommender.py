"""What offline learners share: a recommender that a log has taught, beside its item features.

Shapes: n rows, m items, p candidates, k places.
"""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.logs.sessions import LoggedSessions
from personagym_env.protocols import Observation
from personagym_env.run_context import RunContext
from personagym_recommenders.base import ScoringRecommender, check_users, top_k
from personagym_recommenders.models.candidates import CandidateFeatures, Candidates
from personagym_recommenders.offline.networks import FORBIDDEN, ItemPolicy, SlateNetwork
from personagym_recommenders.offline.session_features import session_features
from personagym_recommenders.offline.training import Learner, TrainingPlan, train
from personagym_recommenders.offline.transitions import Transitions
from personagym_recommenders.recommender_file import Learned

_WEIGHT = "weight."
_DIGITS = 5
"""Decimals that scores are rounded to: late digits of a matrix product depend on the batch, and slates must not."""


class OfflineRecommender(ScoringRecommender):
    """A network over the session and the features of the user's candidates, taught by a log of another policy.

    `train` learns from a log; `fit` learns nothing of it: it fits the item features, so give it the training rows that
    `train` was given. Situations are what the Dict observation tells, without the user's id (`session_features`).

    Args:
        features: candidates, and what static recommenders think of them.
        width: hidden units.
    """

    top_rating_: FloatArray
    """The end of the rating scale."""

    def __init__(self, features: CandidateFeatures, width: int = 32) -> None:
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.features = features
        self.width = width
        self._network: ItemPolicy | SlateNetwork | None = None

    @abstractmethod
    def make_learner(self, n_state: int, n_item: int, places: int) -> Learner:
        """A learner with fresh weights.

        Args:
            n_state: numbers of a situation.
            n_item: numbers of an item.
            places: of a slate.
        """

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Fit the features; the network stays as it is."""
        self.features.fit(log, catalogue)
        self.top_rating_ = np.array([log.scale[-1]])

    def train(
        self,
        logged: LoggedSessions,
        log: Interactions,
        catalogue: Catalogue,
        plan: TrainingPlan | None = None,
        context: RunContext | None = None,
    ) -> Self:
        """Fit the features on training rows, and learn from what another policy showed and earned; returns itself.

        Args:
            logged: the log of the other policy.
            log: rows that were known when it was collected.
            catalogue: of the data set.
            plan: steps, batches and the like.
            context: bars, figures, and the folder where checkpoints are kept: a run that was cut off goes on there.

        Raises:
            ValueError: the log is empty, wrong in itself or of other users and items, or its slates have more places
                than users have candidates.
        """
        self.fit(log, catalogue)
        transitions = Transitions(logged, profile_features(user_traits(log, catalogue)), self.features)
        plan = plan or TrainingPlan()
        if transitions.places > self.features.pool:
            raise ValueError(f"slates of {transitions.places} places need more than {self.features.pool} candidates")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.seed)
            learner = self.make_learner(*transitions.widths, transitions.places)
        identity = f"{logged.header.to_json()} {len(logged)} {log.fingerprint()} {self._hyper_parameters()}"
        train(learner, transitions, plan, context or RunContext(), self.name, identity)
        self._network = learner.network.eval()
        return self

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) the candidates' scores; all other items rank below them, alike."""
        found, scores = self._scored(observation, None)
        shown = scores > FORBIDDEN
        lowest = np.where(shown, scores, np.inf).min(axis=1, initial=0.0) - 1
        whole = np.repeat(lowest[:, None], self.seen_.shape[1], axis=1)
        np.put_along_axis(whole, found.items, np.where(shown, scores, lowest[:, None]), axis=1)
        return whole

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """(n, k) see `Recommender.recommend`; without `candidates` slates are made of the user's own candidates."""
        self._check_fitted()
        check_users(observation["user"], self.seen_.shape[0])
        found, scores = self._scored(observation, candidates)
        return np.take_along_axis(found.items, top_k(scores, found.allowed, k), axis=1)

    def learned(self) -> Learned:
        """What scikit-learn's habit says, and the network's weights."""
        assert self._network is not None  # checked before anything is saved
        weights = {f"{_WEIGHT}{name}": value.numpy() for name, value in self._network.state_dict().items()}
        return super().learned() | weights

    def restore(self, learned: Learned) -> None:
        """Take back what `learned` gave."""
        weights = {name: value for name, value in learned.items() if name.startswith(_WEIGHT)}
        super().restore({name: value for name, value in learned.items() if name not in weights})
        arrays: dict[str, Any] = {
            name.removeprefix(_WEIGHT): torch.from_numpy(np.array(value)) for name, value in weights.items()
        }
        try:
            network = self.make_learner(*_sizes(arrays)).network
            network.load_state_dict(arrays)
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"the saved network of {self.name} cannot be built: {error}") from error
        self._network = network.eval()

    def _scored(self, observation: Observation, pool: BoolArray | None) -> tuple[Candidates, npt.NDArray[np.float64]]:
        """Candidates and their scores (n, p)."""
        self._check_fitted()
        assert self._network is not None
        found = self.features.of(observation, pool)
        state = session_features(
            observation, self.features.genre_share_, float(self.top_rating_[0]), self.features.forgetting
        )
        tensors = (torch.from_numpy(part) for part in (state, found.features, found.allowed))
        scores: npt.NDArray[np.float64] = self._network.scores(*tensors).double().numpy()
        return found, np.round(scores, _DIGITS)

    def _check_fitted(self) -> None:
        super()._check_fitted()
        if self._network is None:
            raise ValueError(f"{self.name} learns from a collected log: call train before it is used")

    def _hyper_parameters(self) -> dict[str, Any]:
        return {name: value for name, value in self.settings().items() if name != "features"} | {
            "features": self.features.names,
            "pool": self.features.pool,
        }


def _sizes(weights: dict[str, torch.Tensor]) -> tuple[int, int, int]:
    """Numbers of a situation, of an item, and places, read off a network's weights."""
    prefix = "taken." if "taken.linear.weight" in weights else ""
    places = len(weights["place"]) if "place" in weights else 1
    return weights[f"{prefix}state.0.weight"].shape[1], weights[f"{prefix}linear.weight"].shape[1], places
