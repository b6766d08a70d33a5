"""Adapters of every kind, each begun where the coarser kind ended: one for all, one for each group, one for each user.

Those that are trained side by side are a piece of work, done by the workers of the run, and kept in its folder under
the hash of all that they owe themselves to: a run that was cut off goes on after them, and kinds that begin with the
same one share it. Shapes: u users, a adapters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch

from personagym_agents.bundle.settings import AdapterSettings
from personagym_agents.documents.window import fitting, window_of
from personagym_agents.model.adapters import Factors
from personagym_agents.personas.settings import Groups
from personagym_agents.training.adapters import CurvePoint
from personagym_agents.training.base import TrainedBase
from personagym_agents.training.sampling import Epochs
from personagym_agents.training.stacks import StackInputs, StackTask, train_stacks, training_of
from personagym_agents.training.tail import Tail, tail_rows
from personagym_agents.training.world import World
from personagym_env.data.tables import BoolArray, IntArray
from personagym_env.run_context import RunContext

_LISTED = 64
"""Adapters of a kind whose rows are told one by one at most."""
_TAIL_SHARE = 5
"""Epochs hold so many times the tokens that the tail is asked in."""
_BEFORE: Mapping[Groups, Groups] = {"random": "single", "persona": "single", "individual": "persona"}
"""The kind that each kind begins with."""


@dataclass(frozen=True, eq=False)
class TrainedKind:
    """The adapters of one kind."""

    factors: Sequence[Factors]
    """(a,)"""
    curves: tuple[tuple[CurvePoint, ...], ...]
    """Of those that were trained together."""
    stopped: tuple[int, ...]
    """(a,) step whose weights each adapter keeps."""
    key: str
    """Hash of all that they owe themselves to."""


class AdapterTrainer:
    """Trains adapters of any kind on one base, which has learned to choose.

    Args:
        base: stays as it is.
        settings: of the adapters, whatever their groups.
        seed: of the trainings and of random groups.
        history_lines: of the documents that ask for the tail.
        context: its workers train, its folder keeps what is finished.
    """

    def __init__(
        self, base: TrainedBase, settings: AdapterSettings, *, seed: int, history_lines: int, context: RunContext
    ) -> None:
        self._base, self._seed, self._context = base, seed, context
        corpus, training = base.corpus, settings.training_on(chooses=True)
        held_out = tail_rows(corpus.train, settings.tail)
        options = fitting(training.sampling, corpus, window_of(base.model))
        world = World(
            Epochs(corpus, base.writer, options, seed=seed, kept=training.epochs, held_out=held_out),
            base.teacher,
            tokens=settings.tokens,
            weights=base.weights,
        )
        asked = None if settings.tokens is None else settings.tokens // _TAIL_SHARE
        tail = Tail(corpus, base.writer, held_out, history_lines, base.model, tokens=asked) if held_out.any() else None
        self._inputs = StackInputs(base.model, world, tail, settings, seed, context)
        told = f"{corpus.train.fingerprint()} {corpus.encoded!r} {base.settings.recall!r} {history_lines} {seed}"
        told += "" if base.settings.propensities is None else f" {base.settings.propensities}"
        # What is about one kind alone is in the key of that kind.
        shared = replace(settings, groups="none", penalty=0.0, own_rate=1.0, side_by_side=1)
        self._key = sha256(f"{told} {shared!r} {_weights_hash(base.model)}".encode()).hexdigest()

    def train(self, kind: Groups) -> TrainedKind:
        """The adapters of a kind, in the order of `Personas.groups`."""
        if kind == "none":
            return TrainedKind((), (), (), self._key)
        groups = self._base.personas.groups(kind, self._seed)
        taught, counts = self._taught(groups), self._base.corpus.train.counts
        members, shown, rows = (
            np.bincount(groups, weights) for weights in (None, taught.astype(np.float64), counts * taught)
        )
        if len(members) > _LISTED:
            self._context.tell(f"{len(members)} adapters {kind}: {rows.sum():,.0f} rows, {rows.min():,.0f} at least")
        for number in range(len(members) if len(members) <= _LISTED else 0):
            name = f" ({self._base.personas.names[number]})" if kind == "persona" else ""
            people = f"{shown[number]:.0f} of {members[number]:.0f} users"
            self._context.tell(f"adapter {kind}-{number}{name}: {rows[number]:,.0f} rows of {people}")
        return self._train(kind)

    def _train(self, kind: Groups) -> TrainedKind:
        groups = self._base.personas.groups(kind, self._seed)
        before = _BEFORE.get(kind)
        starts: list[Factors] | None = None
        key = self._key
        if before is not None:
            coarser = self._train(before)
            # Random groups and personas all begin as the one adapter; a user's own as that of the user's persona.
            of = self._base.personas.groups(before, self._seed)
            first = [int(np.flatnonzero(groups == number)[0]) for number in range(int(groups.max()) + 1)]
            starts, key = [coarser.factors[of[user]] for user in first], coarser.key
        tasks = list(self._tasks(kind, groups, starts, key))
        stacks = train_stacks(self._inputs, tasks)
        return TrainedKind(
            [factors for stack in stacks for factors in stack.factors],
            tuple(stack.curve for stack in stacks),
            tuple(step for stack in stacks for step in stack.stopped),
            sha256("".join(task.key for task in tasks).encode()).hexdigest(),
        )

    def _tasks(self, kind: Groups, groups: IntArray, starts: Sequence[Factors] | None, key: str) -> Iterator[StackTask]:
        """Adapters of a kind, as many at a time as are trained side by side."""
        settings, taught, number = self._inputs.settings, self._taught(groups), int(groups.max()) + 1
        training, penalty = training_of(kind, settings)
        for begin in range(0, number, settings.side_by_side):
            end = min(begin + settings.side_by_side, number)
            users = np.flatnonzero((groups >= begin) & (groups < end) & taught)
            of = groups[users] - begin
            told = f"{key} {kind} {users.tolist()} {of.tolist()} {penalty} {training.learning_rate}"
            own = sha256(told.encode()).hexdigest()
            yield StackTask(kind, begin, end - begin, users, of, None if starts is None else starts[begin:end], own)

    def _taught(self, groups: IntArray) -> BoolArray:
        """(u,) whose documents are shown: those of as many users of each group, drawn at random, as its rows allow."""
        counts, most = self._base.corpus.train.counts, self._inputs.settings.rows
        taught = np.ones(len(groups), np.bool_)
        if most is None:
            return taught
        rng = np.random.default_rng(self._seed)
        left = np.full(int(groups.max()) + 1, most)
        for user in rng.permutation(len(groups)):
            taught[user] = counts[user] <= left[groups[user]]
            left[groups[user]] -= counts[user] * taught[user]
        return taught


def _weights_hash(model: torch.nn.Module) -> str:
    digest = sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
