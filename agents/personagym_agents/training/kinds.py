"""Adapters of every kind, each begun where the coarser kind ended: one for all, one for each group, one for each user.

A finished kind is kept in the folder of the run under the hash of all that it owes itself to, so that a run that was
cut off goes on after it, and kinds that begin with the same one share it. Shapes: u users, a adapters.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from personagym_agents.bundle.settings import AdapterSettings
from personagym_agents.documents.window import fitting, window_of
from personagym_agents.model.adapter_stack import AdapterStack
from personagym_agents.model.adapters import Factors, LowRank
from personagym_agents.personas.settings import Groups
from personagym_agents.training.adapters import CurvePoint, train_stack
from personagym_agents.training.base import TrainedBase
from personagym_agents.training.sampling import Epochs
from personagym_agents.training.tail import Tail, tail_rows
from personagym_agents.training.world import World
from personagym_env.data.tables import BoolArray, IntArray
from personagym_env.files import replacing_folder, restore_folder
from personagym_env.run_context import RunContext

_SIDE_BY_SIDE = 64
"""Adapters that are trained together at most; their gradients are dense, and most of them have no row in a batch."""
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
    """Trains adapters of any kind on one base.

    Args:
        base: stays as it is.
        settings: of the adapters, whatever their groups.
        seed: of the trainings and of random groups.
        history_lines: of the documents that ask for the tail.
        context: its folder keeps finished kinds.
    """

    def __init__(
        self, base: TrainedBase, settings: AdapterSettings, *, seed: int, history_lines: int, context: RunContext
    ) -> None:
        self._base, self._settings, self._seed, self._context = base, settings, seed, context
        corpus, training = base.corpus, settings.training
        held_out = tail_rows(corpus.train, settings.tail)
        options = fitting(training.sampling, corpus, window_of(base.model))
        self._world = World(
            Epochs(corpus, base.writer, options, seed=seed, kept=training.epochs, held_out=held_out),
            base.teacher,
            weights=base.weights,
        )
        self._tail = Tail(corpus, base.writer, held_out, history_lines, base.model) if held_out.any() else None
        told = f"{corpus.train.fingerprint()} {corpus.encoded!r} {base.settings.recall!r} {history_lines} {seed}"
        told += "" if base.settings.propensities is None else f" {base.settings.propensities}"
        # What is about one kind alone is in the key of that kind.
        shared = replace(settings, groups="none", penalty=0.0, own_rate=1.0)
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
        if len(members) > _SIDE_BY_SIDE:
            self._context.tell(f"{len(members)} adapters {kind}: {rows.sum():,.0f} rows, {rows.min():,.0f} at least")
        for number in range(len(members) if len(members) <= _SIDE_BY_SIDE else 0):
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
        taught = self._taught(groups)
        parts = []
        for begin in range(0, int(groups.max()) + 1, _SIDE_BY_SIDE):
            end = min(begin + _SIDE_BY_SIDE, int(groups.max()) + 1)
            inside = (groups >= begin) & (groups < end) & taught
            some = None if starts is None else starts[begin:end]
            parts.append(self._train_some(kind, np.where(inside, groups - begin, -1), end - begin, some, key))
        return TrainedKind(
            [factors for part in parts for factors in part.factors],
            tuple(curve for part in parts for curve in part.curves),
            tuple(step for part in parts for step in part.stopped),
            sha256("".join(part.key for part in parts).encode()).hexdigest(),
        )

    def _taught(self, groups: IntArray) -> BoolArray:
        """(u,) whose documents are shown: those of as many users of each group, drawn at random, as its rows allow."""
        counts, most = self._base.corpus.train.counts, self._settings.rows
        taught = np.ones(len(groups), np.bool_)
        if most is None:
            return taught
        rng = np.random.default_rng(self._seed)
        left = np.full(int(groups.max()) + 1, most)
        for user in rng.permutation(len(groups)):
            taught[user] = counts[user] <= left[groups[user]]
            left[groups[user]] -= counts[user] * taught[user]
        return taught

    def _train_some(
        self, kind: Groups, adapter_of: IntArray, count: int, starts: Sequence[Factors] | None, key: str
    ) -> TrainedKind:
        """Train adapters side by side, or read them if that was done before; users (u,) with -1 have none of them."""
        settings, training, penalty = self._settings, self._settings.training, 0.0
        if kind == "individual":
            penalty = settings.penalty
            training = replace(training, learning_rate=settings.own_rate * training.learning_rate)
        told = f"{key} {kind} {adapter_of.tolist()!r} {penalty} {training.learning_rate}"
        own = sha256(told.encode()).hexdigest()
        place = self._context.folder / f"{kind}-{own[:16]}"
        torch.manual_seed(self._seed)
        stack = AdapterStack(
            self._base.model,
            count,
            rank=settings.rank,
            alpha=settings.alpha,
            dropout=settings.dropout,
            targets=settings.targets,
        )
        if starts is not None:
            stack.begin_as(starts)
        restore_folder(place)
        if not place.exists():
            trained = train_stack(
                self._base.model,
                stack,
                self._world,
                adapter_of,
                training,
                tail=self._tail,
                checks=settings.checks,
                penalty=penalty,
                name=f"{count} {kind} adapter{'s' * (count > 1)}",
                context=self._context,
            )
            factors = [stack.factors(trained.factors, number) for number in range(count)]
            _store(place, factors, {"curve": [point._asdict() for point in trained.curve], "stopped": trained.stopped})
        return _restore(place, own)


def _store(place: Path, factors: Sequence[Factors], told: Mapping[str, object]) -> None:
    tensors = {
        f"{number}.{name}.{side}": getattr(low_rank, side).cpu().contiguous()
        for number, one in enumerate(factors)
        for name, low_rank in one.items()
        for side in LowRank._fields
    }
    with replacing_folder(place) as made:
        save_file(tensors, made / "factors.safetensors")
        (made / "curve.json").write_text(json.dumps(told), encoding="utf-8")


def _restore(place: Path, key: str) -> TrainedKind:
    told = json.loads((place / "curve.json").read_text(encoding="utf-8"))
    tensors = load_file(place / "factors.safetensors")
    found: dict[int, dict[str, LowRank]] = {}
    for name in tensors:
        number, _, rest = name.partition(".")
        layer, _, side = rest.rpartition(".")
        if side == "down":
            found.setdefault(int(number), {})[layer] = LowRank(tensors[name], tensors[f"{number}.{layer}.up"])
    curve = tuple(CurvePoint(**point) for point in told["curve"])
    return TrainedKind([found[number] for number in sorted(found)], (curve,), tuple(told["stopped"]), key)


def _weights_hash(model: torch.nn.Module) -> str:
    digest = sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
