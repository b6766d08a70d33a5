"""Steering against an adapter of one's own, both given the same time for each user, on held-out rows.

`python benchmarks/ablations/steered_adapters.py` takes the shipped base without its adapters. The latest rows of some
users are read for steering, which is timed; then every one of them gets an adapter, trained for as long as that took
and for multiples of it, side by side, which is cheaper than one by one. Learning rates are chosen on each user's inner
tail, training rows that no step shows; asking the tail is not counted as time.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro

from ablations.frontier import Args as FrontierArgs
from ablations.frontier import bases_of
from ablations.results import SteeredAdapters
from personagym_agents.bundle.manifest import BUNDLED, read_manifest
from personagym_agents.bundle.settings import AdapterSettings
from personagym_agents.documents.window import fitting, window_of, within_window
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.model.adapter_stack import AdapterStack, Snapshot
from personagym_agents.model.adapters import Factors, mix_adapters
from personagym_agents.model.causal_lm import load_base
from personagym_agents.training.adapters import ask_tail
from personagym_agents.training.base import TrainedBase
from personagym_agents.training.loop import make_optimiser, plan_of
from personagym_agents.training.sampling import Epochs
from personagym_agents.training.step import Lesson, gradients
from personagym_agents.training.tail import Tail, tail_rows
from personagym_agents.training.world import World
from personagym_agents.variants.steered import SteeringSettings, read_vectors, steered
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_benchmarks.variants.board import Measurement
from personagym_benchmarks.variants.tables import own_tables
from personagym_env.benchmark import Benchmark
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import rating_fidelity
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.run_context import RunContext

LEAST_ROWS = 10
"""Training rows of those who are asked, so that each has a tail."""
_TITLES = {"rmse": "RMSE", "nll": "NLL"}


@dataclass(frozen=True)
class Args:
    """Whom to ask, and how long to train."""

    bundle: Path = BUNDLED
    """Whose base is steered and gets adapters."""
    dataset: str = "ml-100k"
    users: int = 80
    """Drawn from those with held-out rows."""
    times: tuple[float, ...] = (1.0, 10.0, 30.0)
    """Multiples of the time of steering that adapters are trained for."""
    rates: tuple[float, ...] = (5e-4, 2e-3, 8e-3)
    """Learning rates that the inner tail chooses from."""
    resamples: int = 1000
    seed: int = 0
    run: Path = Path("runs/steered-adapters")
    output: Path = Path("runs/steered_adapters.json")


class OwnAdapters:
    """Adapters of single users, trained from nothing for so many processor seconds.

    Args:
        base: what they are put on.
        asked: (b,) users who get one.
        settings: rank, targets and what a training shows.
        seed: of documents and adapters.
        history_lines: of the documents that ask for the tail.
    """

    def __init__(
        self, base: TrainedBase, asked: IntArray, settings: AdapterSettings, seed: int, history_lines: int
    ) -> None:
        corpus, model = base.corpus, base.model
        held_out = tail_rows(corpus.train, settings.tail)
        options = fitting(settings.training.sampling, corpus, window_of(model))
        self._epochs = Epochs(corpus, base.writer, options, seed=seed, kept=1, held_out=held_out)
        self.adapter_of = np.full(corpus.train.n_users, -1)
        self.adapter_of[asked] = np.arange(len(asked))
        self._world = World(self._epochs, base.teacher, users=self.adapter_of >= 0)
        self._tail = Tail(corpus, base.writer, held_out, history_lines, model)
        self._base, self._settings, self._seed = base, settings, seed

    def _lessons(self) -> Iterator[Lesson]:
        """Without end, one sequence of every user in each."""

        def choose(users: IntArray) -> None:
            self._stack.choose(torch.from_numpy(self.adapter_of[users]))

        number = 0
        while True:
            epoch, rng = self._world.draw(number)
            epoch = within_window(epoch, self._base.corpus, window_of(self._base.model))
            owner = epoch.sequences.user
            order = rng.permutation(len(owner))
            grouped = order[np.argsort(owner[order], kind="stable")]
            counts = np.bincount(owner, minlength=len(self.adapter_of))
            turn = np.arange(len(grouped)) - np.repeat(np.cumsum(counts) - counts, counts)
            for place in range(int(counts.max())):
                yield Lesson(self._world, epoch, grouped[turn == place], choose)
            number += 1

    def train(self, seconds: Sequence[float], rate: float) -> Iterator[tuple[Snapshot, float, int]]:
        """Adapters, their tail's negative log likelihood and steps, after each of ascending processor seconds."""
        settings, model = replace(self._settings.training, learning_rate=rate), self._base.model
        torch.manual_seed(self._seed)
        told = self._settings
        count = int(self.adapter_of.max()) + 1
        self._stack = AdapterStack(
            model, count, rank=told.rank, alpha=told.alpha, dropout=told.dropout, targets=told.targets
        )
        optimiser, plan = (
            make_optimiser(list(self._stack.parameters), settings),
            plan_of(model, [self._world], 0, settings),
        )
        lessons, spent, steps = self._lessons(), 0.0, 0
        with self._stack.stacked():
            for most in seconds:
                self._stack.train(mode=True)
                while spent < most:
                    lesson = next(lessons)
                    begin = time.process_time()
                    gradients(model, lesson, settings, plan)
                    optimiser.step()
                    optimiser.zero_grad()
                    spent, steps = spent + time.process_time() - begin, steps + 1
                errors = ask_tail(model, self._stack, self._tail, self.adapter_of)
                yield self._stack.snapshot(), float(errors.surprise.sum() / errors.rows.sum()), steps
            self._stack.choose(None)

    def factors(self, snapshot: Snapshot) -> list[Factors]:
        """The adapters of a snapshot, in the order of the users who were asked."""
        return [self._stack.factors(snapshot, number) for number in range(self._stack.count)]


def study(args: Args, context: RunContext) -> SteeredAdapters:
    """Steer, train, ask."""
    base = bases_of(FrontierArgs(bundle=args.bundle, dataset=args.dataset), context)["kmeans"]
    told = read_manifest(args.bundle).settings
    train, test = base.split
    rng = np.random.default_rng(args.seed)
    asked = np.sort(rng.permutation(np.flatnonzero((test.counts > 0) & (train.counts >= LEAST_ROWS)))[: args.users])
    rows = test.take(np.isin(test.users, asked))
    weights = user_resamples(train.n_users, args.resamples, rng)

    training = replace(told.adapters.training, choice_weight=0.0, teaching_weight=0.0)
    settings = replace(told.adapters, tail=0.1, training=training)
    own = OwnAdapters(base, asked, settings, args.seed, told.history_lines)

    def samples(users: LanguageUserAgent) -> Mapping[str, FloatArray]:
        found = rating_fidelity(react_to_pairs(users, rows.users, rows.items).rating, rows)
        return {key: found[key].resampled(weights) for key in _TITLES}

    def users(factors: Sequence[Factors] = ()) -> LanguageUserAgent:
        """With a model of their own, since adapters and steering change its layers; others have the first adapter."""
        model, _ = load_base(args.bundle / "base")
        return LanguageUserAgent(
            model,
            base.corpus,
            name="individual",
            gate=mix_adapters(model, factors) if factors else None,
            adapter_of=np.maximum(own.adapter_of, 0) if factors else None,
            history_lines=told.history_lines,
            writer=base.writer,
        )

    still = users()
    begin = time.process_time()
    vectors = read_vectors(still, SteeringSettings(), asked)
    seconds = time.process_time() - begin
    usual, moved = samples(still), samples(steered(still, vectors, "steered"))
    each = Interval(1000 * seconds / len(asked), np.nan, np.nan)
    found = [Measurement("time", "steered", "processor milliseconds of a user", each)]
    found += _differences("steered less neither", moved, usual)
    for times, (snapshot, words) in zip(args.times, best_of(own, args, seconds, context.tell), strict=True):
        individual = samples(users(own.factors(snapshot)))
        setting = f"individual, {times:g} times the time ({words})"
        found += _differences(f"{setting}, less neither", individual, usual)
        found += _differences(f"steered less {setting}", moved, individual)
    return SteeredAdapters(
        measurements=tuple(found),
        users=len(asked),
        rows=len(rows),
        setting=recorded(args),
        environment=environment_snapshot(),
        benchmarks={base.dataset.name: Benchmark.of(base.dataset, {})},
    )


def best_of(own: OwnAdapters, args: Args, seconds: float, tell: Callable[[str], None]) -> list[tuple[Snapshot, str]]:
    """At every multiple of the time, the adapters of the learning rate that the inner tail likes best."""
    trained = {rate: list(own.train([times * seconds for times in args.times], rate)) for rate in args.rates}
    chosen = []
    for place, times in enumerate(args.times):
        losses = {rate: points[place][1] for rate, points in trained.items()}
        tell(f"{times:g} times the time: tail {losses}")
        rate = min(losses, key=losses.__getitem__)
        snapshot, _, steps = trained[rate][place]
        chosen.append((snapshot, f"{steps} steps, rate {rate:g}"))
    return chosen


def _differences(setting: str, left: Mapping[str, FloatArray], right: Mapping[str, FloatArray]) -> list[Measurement]:
    return [
        Measurement("held-out rows", setting, title, interval(left[key] - right[key])) for key, title in _TITLES.items()
    ]


def main(args: Args) -> None:
    """Measure, tell and write."""
    console = make_console()
    with console_run(console, args.run, "python benchmarks/ablations/steered_adapters.py") as context:
        found = study(args, context)
        found.save(args.output)
    for _, table in own_tables({"steered": found.measurements}):
        console.print(rich_table(table))


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
