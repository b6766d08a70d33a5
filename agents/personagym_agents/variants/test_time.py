"""Users whose persona is chosen by their latest answers, at the start of a session and after each answer in it.

Source: PersonaAgent (arXiv:2506.06254): at test time the latest n interactions are replayed, and the persona is
rewritten to reduce the disagreement with them.

Formula: `PersonaMixture`. The personas are the adapters of the shipped bundle where it was trained on the rows;
elsewhere P = 8 groups found by what predicts, each with a correction by genre, year, popularity and mean rating of
what user and item mean. Answers that weigh personas before a session are those of each user's last fifth of the
training rows, as asked of personas that know the earlier ones. Without the core everybody keeps the persona that the
training rows gave.

What differs: instead of rewriting one text until it agrees, all personas are weighed by their likelihood, which is
exact. What is left out: tools and the search in memory. The shipped adapters have been trained on the answers that
weigh them; groups and corrections elsewhere have not.
"""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from personagym_agents.bundle.manifest import find_shipped
from personagym_agents.classical.users import fit_users_of
from personagym_agents.personas.prediction import (
    FoldedRows,
    ItemColumns,
    cross_fitted_residuals,
    find_groups,
    fit_corrections,
)
from personagym_agents.variants.histories import Floats
from personagym_agents.variants.persona_mixture import LEAST, PersonaMixture
from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Catalogue, Dataset, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.protocols import FingerprintedAgent, UserAgent, UserFingerprint

LATEST = 10
"""Answers that weigh personas."""
GROUPS = 8
_NEVER = -1e9
"""Log prior of a persona that is not a user's own, where weights do not move."""


class PersonaModel(NamedTuple):
    """A `RatingModel`: what user and item mean, corrected as one persona has it for everybody."""

    bias: FactorModel
    shift: Floats
    """(m,)"""

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`."""
        opinion = self.bias.predict(users)
        return Opinion(opinion.mean + self.shift, opinion.variance)

    def means_at(self, users: IntArray, items: IntArray) -> Floats:
        """(n,) see `RatingModel.means_at`."""
        return np.asarray(self.bias.means_at(users, items) + self.shift[items], np.float32)


class Personas(NamedTuple):
    """Populations by persona, and which persona the training rows give each user."""

    agents: Sequence[UserAgent]
    earlier: Sequence[UserAgent]
    """Those who know the earlier rows alone."""
    own: IntArray
    """(u,)"""


class PersonaFits:
    """Fits the rating models of all personas of a log at once.

    A persona's correction is fitted to the rows of its users, and shrunk to that of everybody.

    Args:
        catalogue: of the items.
        groups: (u,) persona of each user.
        seed: deals folds.
    """

    def __init__(self, catalogue: Catalogue, groups: IntArray, seed: int) -> None:
        self._catalogue, self._groups, self._seed = catalogue, groups, seed
        self._known: dict[str, list[PersonaModel]] = {}

    def __call__(self, log: Interactions, persona: int) -> PersonaModel:
        """The model of one persona."""
        key = log.fingerprint()
        if key not in self._known:
            self._known[key] = self._fit(log)
        return self._known[key][persona]

    def _fit(self, log: Interactions) -> list[PersonaModel]:
        fold = np.random.default_rng(self._seed).permutation(len(log)) % min(5, len(log))
        residual, columns = cross_fitted_residuals(log, fold), ItemColumns.of(log, self._catalogue).values
        rows = FoldedRows(log.users, log.items, columns, residual, fold, log.n_users).whole()
        corrections = fit_corrections(rows, self._groups, int(self._groups.max()) + 1)[0]
        bias = fit_factors(log, FactorSettings(rank=0))
        return [PersonaModel(bias, (columns @ correction).astype(np.float32)) for correction in corrections]


def rating_personas(dataset: Dataset, train: Interactions, early: Interactions, seed: int) -> Personas:
    """Groups of users who rate alike, each with a rating model; users without rows have the largest one."""
    people = np.flatnonzero(early.counts)
    catalogue, rng = dataset.catalogue, np.random.default_rng(seed)
    groups, _ = find_groups(early, catalogue, rng, count=min(GROUPS, len(people)))
    groups[early.counts == 0] = np.bincount(groups[people]).argmax()
    groups = np.unique(groups, return_inverse=True)[1]  # without groups that all have left
    fits = PersonaFits(catalogue, groups, seed)

    def users_of(rows: Interactions, persona: int) -> UserAgent:
        fit = partial(fits, persona=persona)
        return fit_users_of(f"persona {persona}", fit, rows, told=(persona, groups.tolist()), seed=seed)

    count = int(groups.max()) + 1
    agents, earlier = ([users_of(rows, persona) for persona in range(count)] for rows in (train, early))
    return Personas(agents, earlier, groups)


def _adapter_personas(dataset: Dataset, train: Interactions, early: Interactions, device: str | None) -> Personas:
    """The shipped adapters, each for everybody."""
    # Here, because they import torch, which other personas do without.
    from personagym_agents.bundle.storage import load_bundle_agent
    from personagym_agents.documents.corpus import Corpus
    from personagym_agents.memory.cross_fitted import make_memory
    from personagym_agents.memory.settings import Recall
    from personagym_agents.probes.controls import told_otherwise

    agent = load_bundle_agent(None, dataset, train, device=device)
    whole, own = agent.corpus, agent.population.adapters
    rows = early if whole.told is None else whole.told.log(early)
    memory = whole.memory
    if memory is not None and memory.evidence is not None:
        memory = make_memory(dataset.catalogue, rows, Recall(True, 0), blend=memory.evidence.blend)
    before = Corpus.build(dataset, rows, whole.tokenizer, memory=memory, told=whole.told, titles=whole.titles)
    agents, earlier = (
        [
            told_otherwise(
                agent, corpus, f"persona {persona}", adapter_of=np.full_like(own, persona), writer=agent.writer
            )
            for persona in range(int(own.max()) + 1)
        ]
        for corpus in (whole, before)
    )
    return Personas(agents, earlier, own)


def likelihoods(agents: Sequence[UserAgent], late: Interactions, latest: int) -> FloatArray:
    """(u, n, P) log likelihood of each user's latest answers, oldest first, 0 where there are fewer."""
    asked = late.take(late.rank_in_user >= (late.counts - latest)[late.users])
    found = np.zeros((late.n_users, latest, len(agents)))
    place = latest - np.repeat(asked.counts, asked.counts) + asked.rank_in_user
    for persona, agent in enumerate(agents):
        rating = react_to_pairs(agent, asked.users, asked.items).rating if len(asked) else np.zeros((0, 1))
        chance = rating[np.arange(len(asked)), asked.rating_index]
        found[asked.users, place, persona] = np.log(np.maximum(chance, LEAST))
    return found


def mix_personas(
    personas: Personas, split: Split, train: Interactions, *, core: bool, latest: int = LATEST, told: object = ()
) -> PersonaMixture:
    """Users who are mixtures of personas, weighed by the late rows of a split of the training rows."""
    count = len(personas.agents)
    if core:
        share = np.bincount(personas.own, minlength=count) + 1.0
        prior = np.broadcast_to(np.log(share / share.sum()), (train.n_users, count))
        evidence = likelihoods(personas.earlier, split.test, latest)
    else:
        prior = np.where(personas.own[:, None] == np.arange(count), 0.0, _NEVER)
        evidence = np.zeros((train.n_users, 0, count))
    prints = [agent.fingerprint for agent in personas.agents if isinstance(agent, FingerprintedAgent)]
    recipe = sha256(repr((core, latest, prints, told)).encode()).hexdigest()
    fingerprint = UserFingerprint(train.fingerprint(), recipe)
    return PersonaMixture("test-time", personas.agents, prior, evidence, fingerprint, moving=core)


def fit_test_time(
    dataset: Dataset, train: Interactions, *, core: bool = True, seed: int = 0, device: str | None = None
) -> UserAgent:
    """Fit the users.

    Args:
        dataset: texts of items and attributes of users.
        train: rows that the users may know.
        core: personas are weighed by answers; everybody keeps one without it.
        seed: where the search of groups starts.
        device: where the shipped base runs, where it fits the rows.

    Raises:
        ValueError: `train` is empty.
    """
    split = temporal_split(train)
    shipped = find_shipped(train)
    if shipped is not None:
        personas = _adapter_personas(dataset, train, split.train, device)
    else:
        personas = rating_personas(dataset, train, split.train, seed)
    return mix_personas(personas, split, train, core=core, told=(seed, shipped and shipped.name))
