"""`social`: users with a memory as people have it, and friends whose opinions move what they choose and how they rate.

After RecAgent (Wang et al., TOIS 2024). The expected rating is that of user and item means, moved by what the user
remembers (`personagym_agents.variants.human_memory`) and by what friends thought:

    mean = bias + a remembered(u, i) + b sum_f w_f (r_fi - bias_fi) / (1 + sum_f w_f),

and the choice reads how many friends took the item. a and b are fitted by ridge regression on a later part of the
training rows. Friends are the users who agree most on what both rated; `friends="random"` draws as many strangers in
their place, as a control, and the twin has none. Of the actions, watching is taking an item, next is taking none, and
leaving belongs to the world. Users who search (`SocialUsers.search`, `personagym_env.wrappers.SearchingUsers`) look at
what they heard of from friends, the most praised first; chatting and posting are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_agents.variants import human_memory
from personagym_agents.variants.evolving import EvolvingUsers, Standing, fit_evolving, replayed
from personagym_env.collaborative.affinity import AffinityModel, fit_affinity
from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.rating_model import Opinion, at_pairs
from personagym_env.collaborative.similarity import CommonColumns, nearest
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import BoolArray, Catalogue, Dataset, FloatArray, IntArray, Interactions

FRIENDS = 20
"""Friends of each user."""
_SHRINKAGE = 10.0
"""Common items at which an agreement counts half."""
_RIDGE = 10.0
_INNER_SHARE = 0.8
Friends = Literal["co-rating", "random", "none"]


@dataclass(frozen=True, eq=False)
class SocialModel:
    """Users who remember and have friends. A state is that of `human_memory`."""

    bias: FactorModel
    genres: FloatArray
    """(m, g) of length 1 each, or 0 for items without any."""
    friends: sparse.csr_array
    """(u, u) how much each user's friends count."""
    surprises: sparse.csr_array
    """(u, m) ratings less their bias."""
    adopted: sparse.csr_array
    """(u, m) 1 where there is a rating."""
    affinity: AffinityModel
    weights: FloatArray
    """(2,) of memory and of friends."""
    social: bool
    """Whether the choice reads what friends took."""
    opening: FloatArray
    """(u, s) states in which sessions open."""

    def begin(self, users: IntArray) -> FloatArray:
        """See `EvolvingModel.begin`."""
        return self.opening[users]

    def evidence(self, users: IntArray, state: FloatArray) -> FloatArray:
        """(b, m, 2) what users remember, and what their friends thought."""
        friends = self.friends[users]
        told, weight = (friends @ self.surprises).toarray(), (friends @ self.adopted).toarray()
        return np.stack([human_memory.remembered(state, self.genres), told / (1 + weight)], axis=-1)

    def standing(self, users: IntArray, state: FloatArray) -> Standing:
        """See `EvolvingModel.standing`."""
        opinion = self.bias.predict(users)
        mean = opinion.mean + (self.evidence(users, state) @ self.weights).astype(np.float32)
        columns = [self.affinity.log_affinity(users)]
        if self.social:
            columns.append(self.friends_took(users, self.adopted))
        return Standing(Opinion(mean, opinion.variance), np.stack(columns, axis=-1))

    def friends_took(self, users: IntArray, adopted: sparse.csr_array) -> npt.NDArray[np.float32]:
        """(b, m) logarithm of 1 and the friends of users (b,) who took each item, by who took what (u, m)."""
        counted = self.friends.copy()
        counted.data[:] = 1
        return np.asarray(np.log1p((counted[users] @ adopted).toarray()), np.float32)

    def after(self, users: IntArray, state: FloatArray, items: IntArray, ratings: FloatArray) -> FloatArray:
        """See `EvolvingModel.after`."""
        surprise = ratings - self.bias.means_at(users, items)
        return human_memory.perceived(state, items, surprise, self.genres)


@dataclass(frozen=True, eq=False, repr=False)
class SocialUsers(EvolvingUsers):
    """Users of a `SocialModel`, who can search."""

    def search(self, users: IntArray, n: int, excluded: BoolArray) -> IntArray:
        """See `SearchingAgent.search`: what friends praised, then what goes along with what the user has."""
        if (left := int((~excluded).sum(axis=1).min(initial=n))) < n:
            raise ValueError(f"a search for {n} items has {left} to find")
        model = self.model
        assert isinstance(model, SocialModel)
        praise = (model.friends[users] @ model.surprises).toarray()
        along = model.affinity.log_affinity(users).argsort(axis=1).argsort(axis=1) / self.n_items  # below 1
        wish = np.where(praise > 0, 1 + praise, along)
        return np.asarray(np.where(excluded, -1.0, wish).argsort(axis=1, kind="stable")[:, ::-1][:, :n])


def infer_friends(surprises: sparse.csr_array, kind: Friends, rng: np.random.Generator) -> sparse.csr_array:
    """(u, u) `FRIENDS` friends of each user.

    Args:
        surprises: (u, m) ratings less what user and item would have anyway.
        kind: "co-rating" for those who agree most, weighed by how much; "random" for strangers who get the weights that
            the real friends have; "none" for nobody.
        rng: draws strangers.
    """
    n = surprises.shape[0]
    if kind == "none":
        return sparse.csr_array((n, n))
    common = CommonColumns(surprises)
    found = nearest(lambda rows: common(rows).shrunk(_SHRINKAGE), n, FRIENDS)
    if kind == "random":
        users = np.repeat(np.arange(n), np.diff(found.indptr))
        strangers = (users + rng.integers(1, max(n, 2), len(users))) % n
        return sparse.csr_array((found.data, (users, strangers)), shape=(n, n))
    return found


def _unweighted(log: Interactions, catalogue: Catalogue, kind: Friends, seed: int) -> SocialModel:
    """Memory and friends after a log, whose weights are still to be found."""
    bias = fit_factors(log, FactorSettings(rank=0))
    surprises = log.matrix(log.ratings - bias.means_at(log.users, log.items))
    shares = catalogue.genre_shares
    model = SocialModel(
        bias=bias,
        genres=shares / np.maximum(np.linalg.norm(shares, axis=1, keepdims=True), 1e-9),
        friends=infer_friends(surprises, kind, np.random.default_rng(seed)),
        surprises=surprises,
        adopted=log.matrix(np.ones(len(log), np.float32)),
        affinity=fit_affinity(log),
        weights=np.zeros(2),
        social=kind != "none",
        opening=human_memory.empty(log.n_users),
    )
    return replace(model, opening=replayed(model, log, model.opening.copy()))


def fit_social_model(log: Interactions, catalogue: Catalogue, kind: Friends, *, seed: int = 0) -> SocialModel:
    """Users who know a log; what memory and friends count for is fitted on its later part."""
    model = _unweighted(log, catalogue, kind, seed)
    early, late = temporal_split(log, _INNER_SHARE)
    if not len(late):
        return model
    before = _unweighted(early, catalogue, kind, seed)

    def everything(users: IntArray) -> FloatArray:
        evidence = before.evidence(users, before.begin(users))
        return np.concatenate([evidence, before.bias.predict(users).mean[..., None]], axis=-1)

    pairs = at_pairs(everything, late.users, late.items, late.n_items)
    evidence, residual = pairs[:, :2], late.ratings - pairs[:, 2]
    found = np.linalg.solve(evidence.T @ evidence + _RIDGE * np.eye(2), evidence.T @ residual)
    return replace(model, weights=found)


def social_fit(catalogue: Catalogue, kind: Friends, seed: int) -> Callable[[Interactions], SocialModel]:
    """From a log to the model of its users."""
    return lambda log: fit_social_model(log, catalogue, kind, seed=seed)


def fit_social(
    dataset: Dataset,
    train: Interactions,
    *,
    core: bool = True,
    seed: int = 0,
    device: str | None = None,
    friends: Friends = "co-rating",
) -> SocialUsers:
    """Users whose friends move them; with `core` off, without friends.

    Raises:
        ValueError: `train` is empty.
    """
    kind: Friends = friends if core else "none"
    name = "social" if kind == "co-rating" else f"social, {kind} friends"
    found = fit_evolving(name, social_fit(dataset.catalogue, kind, seed), train, seed=seed, recipe=kind)
    return SocialUsers(**{part.name: getattr(found, part.name) for part in fields(found)})
