"""`steered`: one frozen model, moved for each user by differences of its own activations; nothing is trained.

After Fints (arXiv 2510.27206). For each of a user's latest training rows the model reads the user's document, the row's
line, and an answer: once the true one, once a generic one, which is what the crowd thinks of the item. The difference
of what one layer gives at that answer is the row's steering vector. Where an item is asked about, the vectors of the
rows whose lines are most like its own are averaged, weighed by likeness, and their mean times a multiplier is added to
what the layer gives there:

    h <- h + multiplier sum_j max(c_j, 0) (h_j(true) - h_j(generic)) / sum_j max(c_j, 0),   j over the nearest rows,

with c_j the cosine of mean token embeddings, less their mean over the catalogue. Fints steers attention and MLP outputs
of a layer apart, and every generated token; here it is their sum, the residual stream, and the one token that answers.
The twin is the same model with a multiplier of 0. Engine and packed passes stay exact
(`personagym_agents.inference.engine.Steering`): another vector for each user and item in one batch.
"""

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import torch

from personagym_agents.bundle.manifest import find_shipped
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.bundle.zero_shot import zero_shot_users
from personagym_agents.documents.corpus import Corpus
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.inference.model_hooks import layers_of, prepare_for_edits
from personagym_agents.model.packing import Segments
from personagym_env.data.tables import Dataset, IntArray, Interactions
from personagym_env.protocols import UserFingerprint

_USERS = 16
"""Users whose rows are read in one pass."""


@dataclass(frozen=True)
class SteeringSettings:
    """How users are steered.

    The defaults, those of the paper at the last layer, had the highest likelihood among four layers, multipliers from
    -0.5 to 2, and 5 or 20 neighbours: for 150 users of ML-100K, on training rows that the base of the bundle
    `ml-100k-disjoint` has not read.
    """

    layer: int = -1
    """Whose output is moved; counted from the end below 0."""
    multiplier: float = 1.0
    """Of the mean vector."""
    neighbours: int = 5
    """Rows that are averaged."""
    samples: int = 48
    """Latest training rows of a user that are read."""

    def __post_init__(self) -> None:
        if min(self.neighbours, self.samples) < 1:
            raise ValueError(f"neighbours and samples must be 1 or more, got {self.neighbours} and {self.samples}")


@dataclass(frozen=True, eq=False, repr=False)
class SteeringVectors:
    """Samples of all users, and how they move answers. See `Steering`. S: samples of a user, d: width of the model."""

    layer: torch.nn.Module
    differences: torch.Tensor
    """(u, S, d) true less generic, 0 where a user has fewer rows."""
    rows: npt.NDArray[np.int64]
    """(u, S) item of each sample, -1 where there is none."""
    lines: torch.Tensor
    """(m, e) of each item's line, of length 1."""
    settings: SteeringSettings

    def vectors(self, users: IntArray, slates: IntArray) -> torch.Tensor:
        """See `Steering.vectors`."""
        known = torch.from_numpy(self.rows[users])
        alike = torch.einsum("bke,bse->bks", self.lines[torch.from_numpy(np.asarray(slates))], self.lines[known])
        alike = torch.where((known >= 0)[:, None, :].to(alike.device), alike, -1.0)
        nearest = alike.topk(min(self.settings.neighbours, alike.shape[2]), dim=2)
        weight = nearest.values.clamp(min=0)
        weight = weight / weight.sum(dim=2, keepdim=True).clamp(min=1e-9)
        spread = torch.zeros_like(alike).scatter(2, nearest.indices, weight)
        return self.settings.multiplier * torch.einsum("bks,bsd->bkd", spread, self.differences[torch.as_tensor(users)])

    def with_settings(self, settings: SteeringSettings) -> "SteeringVectors":
        """The same samples used otherwise; layer and samples cannot change."""
        assert (settings.layer, settings.samples) == (self.settings.layer, self.settings.samples)
        return replace(self, settings=settings)


class _Samples:
    """The latest training rows of every user."""

    def __init__(self, corpus: Corpus, count: int) -> None:
        log = corpus.train
        from_end = np.repeat(log.indptr[1:], log.counts) - np.arange(len(log)) - 1
        kept = np.flatnonzero(from_end < count)
        self.row = np.full((log.n_users, min(count, int(log.counts.max(initial=1)))), -1)
        """(u, S) of the log, -1 where there is none."""
        self.row[log.users[kept], from_end[kept]] = kept
        self._corpus = corpus

    @property
    def items(self) -> npt.NDArray[np.int64]:
        """(u, S) item of each, -1 where there is none."""
        return np.where(self.row >= 0, self._corpus.train.items[self.row], -1)

    @cached_property
    def generic(self) -> npt.NDArray[np.int64]:
        """(n,) rating nearest to the mean of everybody else's; the middle one where nobody else rated."""
        log = self._corpus.train
        count, mean = self._corpus.crowd.without_own(log)
        scale = np.asarray(log.scale)
        middle = np.where(count > 0, mean, np.median(log.ratings) if len(log) else scale[0])
        return np.asarray(np.abs(middle[:, None] - scale).argmin(axis=1))

    def candidates(self, users: IntArray) -> npt.NDArray[np.int64]:
        """(b, 2 S, 2 + f) pieces of lines with the true answers, then of the same with the generic ones."""
        corpus, row = self._corpus, np.maximum(self.row[users], 0)
        line = corpus.without_memory(corpus.of_item[corpus.train.items[row]])
        answers = (corpus.train.rating_index[row], self.generic[row])
        return np.concatenate(
            [np.concatenate([line, corpus.of_answer[1 + rating][..., None]], axis=2) for rating in answers], axis=1
        )


def read_vectors(
    agent: LanguageUserAgent, settings: SteeringSettings, users: IntArray | None = None
) -> SteeringVectors:
    """Let the model read users' samples behind their documents.

    Args:
        agent: users whose model is left as it is.
        settings: how they will be steered.
        users: whose samples are read; the others are not steered. None for all.
    """
    population, corpus = agent.population, agent.corpus
    layer = layers_of(population.model)[settings.layer]
    prepare_for_edits(layer)
    samples = _Samples(corpus, settings.samples)
    people = np.arange(agent.n_users) if users is None else np.asarray(users)
    width = population.model.config.hidden_size
    found = torch.zeros(agent.n_users, samples.row.shape[1], width, device=population.model.device)
    for begin in range(0, len(people), _USERS):
        some = people[begin : begin + _USERS]
        sessions, rows = agent.open(len(some)), np.arange(len(some))
        sessions.start(rows, some)
        true, generic = sessions.hidden_behind(layer, rows, samples.candidates(some)).float().chunk(2, dim=1)
        there = torch.from_numpy(samples.row[some] >= 0).to(true.device)
        found[torch.from_numpy(some)] = torch.where(there[..., None], true - generic, 0.0)
    return SteeringVectors(layer, found, samples.items, _line_vectors(agent), settings)


def _line_vectors(agent: LanguageUserAgent) -> torch.Tensor:
    """(m, e) mean token embedding of each item's line, less that of all lines, of length 1."""
    segments: Segments = agent.population.segments
    embedding: torch.nn.Embedding = agent.population.model.get_input_embeddings()  # type: ignore[assignment]
    table = embedding.weight.detach().float()
    of_item = agent.corpus.of_item
    tokens, lengths = torch.from_numpy(segments.tokens[of_item]), torch.from_numpy(segments.lengths[of_item])
    there = (torch.arange(tokens.shape[1]) < lengths[:, None]).to(table.device)
    mean = (table[tokens.to(table.device)] * there[..., None]).sum(dim=1) / lengths[:, None].to(table.device)
    return torch.nn.functional.normalize(mean - mean.mean(dim=0), dim=1)


def steered(agent: LanguageUserAgent, vectors: SteeringVectors | None, name: str) -> LanguageUserAgent:
    """The same users, moved; None takes them as they are."""
    other = copy(agent)
    other.name = name
    other.population = agent.population._replace(steering=vectors)  # type: ignore[misc]
    if agent.fingerprint is not None:
        told = f"{name} {None if vectors is None else vectors.settings} {agent.fingerprint.weights}"
        other.fingerprint = UserFingerprint(agent.fingerprint.rows, sha256(told.encode()).hexdigest())
    return other


def fit_steered(
    dataset: Dataset,
    train: Interactions,
    *,
    core: bool = True,
    seed: int = 0,
    device: str | None = None,
    settings: SteeringSettings | None = None,
) -> LanguageUserAgent | LinkedUsers:
    """Users of the shipped base, without adapters, steered by their own rows; with `core` off, not steered.

    On a log that the base has not read they are the zero-shot users, whose link to the log's scale stays as it is.

    Raises:
        ValueError: the base may have read rows that are held out here, or there is no such device.
    """
    name = "steered" if core else "steered, still"
    place = find_shipped(train)
    if place is not None:
        agent = load_bundle_agent(place, dataset, train, adapters=False, device=device)
        return steered(agent, read_vectors(agent, settings or SteeringSettings()) if core else None, name)
    linked = zero_shot_users(dataset, train, device=device)
    vectors = read_vectors(linked.users, settings or SteeringSettings()) if core else None
    users = steered(linked.users, vectors, name)
    told = (
        None
        if linked.fingerprint is None
        else sha256(f"{name} {settings} {linked.fingerprint.weights}".encode()).hexdigest()
    )
    fingerprint = None if told is None else UserFingerprint(train.fingerprint(), told)
    return LinkedUsers(users, linked.link, linked.use, alone=linked.alone, name=name, fingerprint=fingerprint)
