"""What a log promises of a policy that shows one slate in each situation: fitted Q evaluation.

The joint propensities of slates of ten leave no importance weights for such a policy, so a model of what follows a
slate is all that a log can offer, and the diagnosis of the estimate says so. The model is that of SlateQ (Ie et al.,
IJCAI 2019): a conditional logit says what is taken, and what follows depends on the slate only through that, here
linearly. Shapes: d decisions, k places, f features.
"""

import numpy as np
import numpy.typing as npt
import torch

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.off_policy.action_values import ActionFeatures, Moments
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.estimates import Estimate, estimates
from personagym_env.evaluation.off_policy.sequential import fitted_q_evaluation
from personagym_env.logs.sessions import LoggedSessions
from personagym_env.protocols import Propensities, Recommender, rows_of
from personagym_recommenders import CandidateFeatures
from personagym_recommenders.offline.session_features import session_features

_BLOCK = 4_096
_ITERATIONS = 40
"""Of L-BFGS on the choice model."""
_PENALTY = 1e-4
"""On the squares of its coefficients."""
Floats = npt.NDArray[np.float64]


class Promises:
    """A log of held-out sessions, asked about any number of policies.

    Args:
        log: no learner has read it.
        profiles: (u, f) profile features of all users.
        features: fitted on the training rows.
        seed: of the groups of sessions.
    """

    def __init__(self, log: LoggedSessions, profiles: FloatArray, features: CandidateFeatures, seed: int) -> None:
        self._log, self._profiles, self._features, self._seed = log.read(), profiles, features, seed
        header = log.header
        self._observation = self._log.observation(profiles, header.history_length)
        self._steps = int(self._log.step.max()) + 1
        self._state = session_features(
            self._observation, features.genre_share_, header.scale[-1], features.forgetting
        ).astype(np.float64)
        shown = self._of_items(self._log.slate)
        place = self._log.click_place
        self._choice = _fit_choice(shown, place)
        certain = np.zeros(self._log.slate.shape)
        taken = np.flatnonzero(place >= 0)
        certain[taken, place[taken]] = 1.0
        self._logged = self._of_outcomes(shown, certain)

    def of(self, policy: Recommender) -> Estimate:
        """The policy's return."""
        parts = [slice(begin, begin + _BLOCK) for begin in range(0, len(self._log), _BLOCK)]
        k = self._log.slate.shape[1]
        slates = np.concatenate([policy.recommend(rows_of(self._observation, part), k) for part in parts])
        items = self._of_items(slates)
        features = ActionFeatures(self._logged, self._of_outcomes(items, _choices(items, *self._choice)))
        agrees = np.cumprod(slates == self._log.slate, axis=1).astype(np.float64)
        own = Propensities(
            agrees[:, -1], agrees, (slates == self._log.slate).astype(np.float64), np.zeros(agrees.shape)
        )
        log = self._log
        decisions = Decisions(log.session, log.reward, log.place_reward, log.propensities, own)
        group = np.zeros(decisions.n_sessions, np.int64)
        coefficients = Moments.of(decisions, features, group, 1).coefficients(np.ones(1), self._steps)
        terms = {"FQE": fitted_q_evaluation(decisions, features).with_model(coefficients)}
        return estimates(decisions, terms, np.random.default_rng(self._seed))["FQE"]

    def _of_items(self, slates: IntArray) -> Floats:
        """(d, k, f) features of items."""
        opinions = self._features.opinions_of(self._observation["user"], slates, self._profiles)
        return self._features.with_session(self._observation, slates, opinions).astype(np.float64)

    def _of_outcomes(self, items: Floats, chosen: Floats) -> Floats:
        """(d, f) the situation, and what is expected to be taken if places have probabilities (d, k)."""
        taken = np.einsum("dkf,dk->df", items, chosen)
        return np.concatenate([np.ones((len(items), 1)), self._state, chosen.sum(axis=1, keepdims=True), taken], axis=1)


def _fit_choice(items: Floats, place: IntArray) -> tuple[Floats, Floats]:
    """(f,) and (k,) coefficients of a conditional logit of the place taken (d,), -1 for none, on items (d, k, f)."""
    x, y = torch.from_numpy(items), torch.from_numpy(place + 1)
    slope = torch.zeros(x.shape[2], dtype=torch.float64, requires_grad=True)
    level = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([slope, level], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = torch.nn.functional.pad(x @ slope + level, (1, 0))
        loss = torch.nn.functional.cross_entropy(logits, y) + _PENALTY * (slope.square().sum() + level.square().sum())
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return slope.detach().numpy(), level.detach().numpy()


def _choices(items: Floats, slope: Floats, level: Floats) -> Floats:
    """(d, k) probabilities of taking each place of slates (d, k, f)."""
    utility = np.exp(np.clip(items @ slope + level, -30, 30))
    return np.asarray(utility / (1 + utility.sum(axis=1, keepdims=True)))
