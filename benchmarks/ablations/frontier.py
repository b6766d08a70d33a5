"""The frontier of adapters: held-out error against decisions per second, by regime of document and kind of adapter.

`python benchmarks/ablations/frontier.py --bundle PLACE` trains adapters of every kind on the base of one bundle, such
as one of `personagym train --base small --layers 2 --taste False --titles False --recall.evidence False
--adapters.groups none`: one for all; random groups of the personas' users; personas by KMeans on traits; personas found
by what predicts; one for each user, drawn back to the persona's. Kinds and seeds that were asked before are kept in the
folder of the run, so that a run that was cut off goes on where it was. Steps and the penalty of a user's own adapter
are chosen on the inner tail, each user's latest training rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from safetensors.numpy import load_file, save_file

from ablations.frontier_results import (
    Curve,
    Frontier,
    Left,
    Point,
    frontier_differences_table,
    frontier_table,
    goals_of,
    goals_table,
    left_table,
    write_plot,
)
from ablations.frontier_scale import on_own_scale
from personagym_agents.bundle.manifest import BUNDLED, bundle_fits, read_manifest
from personagym_agents.bundle.settings import AdapterSettings, BundleSettings
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.model.adapters import mix_adapters
from personagym_agents.model.causal_lm import load_base
from personagym_agents.personas.clustering import Personas
from personagym_agents.personas.prediction import ItemColumns, Round
from personagym_agents.personas.settings import Groups, PersonaSettings
from personagym_agents.training.base import TrainedBase, find_personas, train_base
from personagym_agents.training.kinds import AdapterTrainer, TrainedKind
from personagym_agents.training.settings import SamplingOptions, TrainingSettings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.interleaved_timing import Clock, interleaved_rates
from personagym_env.evaluation.core.negatives import Negatives
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Statistic, interval, user_resamples
from personagym_env.evaluation.fidelity.board import Resampler
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest
from personagym_env.evaluation.fidelity.group_signal import group_signal
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.files import replacing_folder, restore_folder
from personagym_env.run_context import RunContext
from speed.engine import Sessions

Kind = Literal["none", "single", "random", "kmeans", "learned", "individual"]
KINDS: tuple[Kind, ...] = ("none", "single", "random", "kmeans", "learned", "individual")
GROUPS: Mapping[Kind, Groups] = {
    "none": "none",
    "single": "single",
    "random": "random",
    "kmeans": "persona",
    "learned": "persona",
    "individual": "individual",
}
COMPARED: tuple[tuple[Kind, Kind], ...] = (
    ("random", "kmeans"),
    ("single", "learned"),
    ("kmeans", "learned"),
    ("learned", "individual"),
)
Runs = Sequence[Mapping[str, Statistic]]
"""Figure to statistic, of each seed."""
SHIPPED = "shipped"
"""What the users of the shipped bundle are called."""


@dataclass(frozen=True)
class Regime:
    """What a document holds."""

    history_lines: int
    sampling: SamplingOptions


REGIMES: Mapping[str, Regime] = {
    "header": Regime(0, SamplingOptions(lines=16, candidate_share=1.0, choices=False)),
    "header and 8 lines": Regime(8, SamplingOptions(lines=24, choices=False)),
}
"""Regimes of document that one base reads."""


@dataclass(frozen=True)
class Args:
    """What to train and ask."""

    bundle: Path
    """Whose base gets adapters."""
    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    split: str | None = None
    """Which rows are training rows; None for the usual ones of the log."""
    regimes: tuple[str, ...] = tuple(REGIMES)
    kinds: tuple[Kind, ...] = KINDS
    seeds: int = 2
    """Trainings of each kind; of users' own adapters the first alone."""
    personas: int = 4
    """Groups, by KMeans and by what predicts."""
    penalties: tuple[float, ...] = (0.0, 100.0)
    """Of which the first seed's inner tail chooses for adapters of single users."""
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=2,
            batch=12,
            learning_rate=2e-3,
            warmup=10,
            weight_decay=0.0,
            choice_weight=0.0,
            teaching_weight=0.0,
            averaging=0.95,
        )
    )
    """Of adapters: on ratings alone, without unseen items beside them."""
    rank: int = 16
    users: int = 64
    """Sessions that are open while speed is measured."""
    repeats: int = 3
    seconds: float = 0.4
    """Length of one repeat at least."""
    clock: Clock = "processor"
    negatives: int = 10
    """Unseen items of each user, to tell choices from."""
    resamples: int = 2000
    run: Path = Path("runs/frontier")
    """Folder of what was trained and answered."""
    output: Path = Path("runs/frontier.json")


class Bench:
    """One regime: its base, its questions, and what was answered before."""

    def __init__(self, args: Args, name: str, bases: Mapping[str, TrainedBase], context: RunContext) -> None:
        self.args, self.name, self.regime = args, name, REGIMES[name]
        self.bases = bases
        self.test = FidelityTest.draw(bases["kmeans"].split, np.random.default_rng(0), negatives=args.negatives)
        self.context = replace(context, folder=args.run / name.replace(" ", "-"))
        self.curves: dict[tuple[Kind, int], Curve] = {}
        self.penalty = 0.0

    def train(self, kind: Kind, seed: int, penalty: float = 0.0) -> TrainedKind:
        """Adapters of a kind."""
        base = self.bases["kmeans" if kind in ("random", "kmeans") else "learned"]
        settings = AdapterSettings(
            tokens=None,
            rank=self.args.rank,
            alpha=self.args.rank,
            penalty=penalty,
            choices=True,
            training=replace(self.args.training, sampling=self.regime.sampling),
        )
        trainer = AdapterTrainer(
            base, settings, seed=seed, history_lines=self.regime.history_lines, context=self.context
        )
        return trainer.train(GROUPS[kind])

    def choose_penalty(self) -> None:
        """By the inner tail of the first seed's adapters of single users."""
        losses = {}
        for penalty in self.args.penalties:
            trained = self.train("individual", 0, penalty)
            losses[penalty] = float(np.mean([min(point.nll for point in curve) for curve in trained.curves]))
        self.penalty = min(losses, key=losses.__getitem__)
        self.context.tell(f"{self.name}: penalty {self.penalty} of {losses}")

    def trained(self, kind: Kind, seed: int) -> TrainedKind:
        """Adapters of a kind, those of single users with the penalty that was chosen."""
        return self.train(kind, seed, self.penalty if kind == "individual" else 0.0)

    def users(self, kind: Kind, seed: int) -> LanguageUserAgent:
        """Users with adapters of a kind."""
        base = self.bases["kmeans" if kind in ("random", "kmeans") else "learned"]
        trained = self.trained(kind, seed)
        if kind != "none":
            self.curves[kind, seed] = Curve(self.name, kind, seed, trained.curves[0])
        model, _ = load_base(self.args.bundle / "base")
        return LanguageUserAgent(
            model,
            base.corpus,
            name=kind,
            gate=mix_adapters(model, trained.factors) if trained.factors else None,
            adapter_of=base.personas.groups(GROUPS[kind], seed) if trained.factors else None,
            history_lines=self.regime.history_lines,
            writer=base.writer,
        )

    def answers(self, kind: Kind, seed: int) -> Answers:
        """What users with such adapters say to the held-out questions; kept under the hash of the adapters."""
        place = self.context.folder / f"answers-{kind}-{seed}-{self.trained(kind, seed).key[:16]}"
        restore_folder(place)
        users = self.users(kind, seed)
        if not place.exists():
            said = self.test.answers(on_own_scale(users), name=kind)
            assert said.ratings is not None
            assert said.score is not None
            with replacing_folder(place) as made:
                arrays = {"ratings": said.ratings, "score": said.score, "unseen": said.unseen["uniform"]}
                save_file(arrays, made / "said.safetensors")
        kept = load_file(place / "said.safetensors")
        unseen: dict[Negatives, FloatArray] = {"uniform": kept["unseen"]}
        return Answers(kind, ratings=kept["ratings"], score=kept["score"], unseen=unseen, wants=True)


def bases_of(args: Args, context: RunContext) -> dict[str, TrainedBase]:
    """The base of the bundle with both kinds of personas.

    Raises:
        ValueError: the bundle was trained on other rows.
    """
    dataset = load_dataset(args.dataset)
    split = named_split(dataset, args.split).split
    if not bundle_fits(args.bundle, split.train):
        raise ValueError(f"the bundle at {args.bundle} was not trained on these rows of {args.dataset}")
    told = read_manifest(args.bundle).settings
    settings = BundleSettings(
        base=str(args.bundle / "base"),
        recall=told.recall,
        taste=told.taste,
        titles=told.titles,
        teacher="bias",
        personas=PersonaSettings(features="behaviour", n_personas=args.personas),
    )
    base = train_base(dataset, split, settings, context)
    by_prediction = replace(settings, personas=replace(settings.personas, features="prediction"))
    learned = find_personas(dataset, split.train, by_prediction, context)
    return {"kmeans": base, "learned": replace(base, personas=learned)}


def seeds_of(args: Args, kind: Kind) -> int:
    """Trainings of a kind."""
    return 1 if kind in ("none", "individual") else args.seeds


def measured(bench: Bench) -> dict[Kind, Runs]:
    """Figures of every kind."""
    found: dict[Kind, Runs] = {}
    for kind in bench.args.kinds:
        if kind == "individual":
            bench.choose_penalty()
        seeds = range(seeds_of(bench.args, kind))
        found[kind] = [bench.test.measure(bench.answers(kind, seed)).statistics for seed in seeds]
    return found


def speeds(args: Args, benches: list[Bench]) -> dict[tuple[str, str], list[float]]:
    """Decisions per second: of shipped users, and by regime without adapters, with the personas' and with own ones."""
    first = benches[0].bases["kmeans"]
    ways, users = {}, np.arange(args.users)
    if bundle_fits(BUNDLED, first.split.train):
        shipped = load_bundle_agent(BUNDLED, first.dataset, first.split.train)
        ways[SHIPPED, "persona"] = Sessions(shipped, users, 10)
    for bench in benches:
        for kind in [kind for kind in ("none", "learned", "individual") if kind in args.kinds]:
            ways[bench.name, kind] = Sessions(bench.users(kind, 0), users, 10)
    named = {"/".join(key): work for key, work in ways.items()}
    rates = interleaved_rates(named, args.repeats, args.seconds, args.clock)
    return {key: rates["/".join(key)] for key in ways}


def points_of(
    bench: Bench, found: Mapping[Kind, Runs], rates: Mapping[tuple[str, str], float], resampler: Resampler
) -> Iterator[Point]:
    """Every kind of a regime."""
    corpus = bench.bases["kmeans"].corpus
    lengths = np.array([len(ids) for ids in corpus.encoded])
    for kind, runs in found.items():
        # One adapter is merged into the base; groups of any kind have as many adapters, on which their speed depends.
        alike = {"single": "none", "random": "learned", "kmeans": "learned"}.get(kind, kind)
        yield Point(
            regime=bench.name,
            kind=kind,
            seeds=seeds_of(bench.args, kind),
            figures={figure: interval(resampler.samples([run[figure] for run in runs])[0]) for figure in runs[0]},
            tokens=float(lengths[corpus.of_item].mean()) + len(corpus.of_memory),
            decisions=rates.get((bench.name, alike)),
        )


def differences_of(bench: Bench, found: Mapping[Kind, Runs], resampler: Resampler) -> Iterator[Difference]:
    """RMSE of one kind less that of another, over the seeds that both have."""
    for left, right in COMPARED:
        if left in found and right in found:
            seeds = min(len(found[left]), len(found[right]))
            one, other = (resampler.samples([run["rmse"] for run in found[kind][:seeds]])[0] for kind in (left, right))
            yield Difference(f"{bench.name}, {left}", f"{bench.name}, {right}", interval(one - other))


def study(args: Args, context: RunContext) -> Frontier:
    """Train, ask and time."""
    bases = bases_of(args, context)
    base = bases["kmeans"]
    rng = np.random.default_rng(0)
    resampler = Resampler(user_resamples(base.split.train.n_users, args.resamples, rng), rng)
    benches = [Bench(args, name, bases, context) for name in args.regimes]
    found = [measured(bench) for bench in benches]
    rates = {key: float(np.median(rate)) for key, rate in speeds(args, benches).items()}
    points, differences = list[Point](), list[Difference]()
    for bench, each in zip(benches, found, strict=True):
        points += points_of(bench, each, rates, resampler)
        differences += differences_of(bench, each, resampler)
    shipped = rates.get((SHIPPED, "persona"))
    return Frontier(
        points=tuple(points),
        differences=tuple(differences),
        curves=tuple(curve for bench in benches for curve in bench.curves.values()),
        shipped_decisions=shipped,
        penalties={bench.name: bench.penalty for bench in benches},
        left=tuple(one for bench in benches for one in left_of(bench)),
        searches=search_of(bases["learned"].personas),
        goals=goals_of(points, differences, shipped),
        setting=recorded(args),
        environment=environment_snapshot(),
        benchmarks={base.dataset.name: Benchmark.of(base.dataset, {})},
    )


def left_of(bench: Bench) -> Iterator[Left]:
    """What groups could explain of the errors with one adapter for all, and what they leave once they have their own.

    The held-out ratings serve to understand the adapters here; nothing of this goes back into them.
    """
    split = bench.bases["kmeans"].split
    columns = ItemColumns.of(split.train, bench.bases["kmeans"].dataset.catalogue).values[split.test.items, 1:]
    for groups in ("kmeans", "learned"):
        for kind in ("single", groups):
            if kind not in bench.args.kinds:
                continue
            said = bench.answers(kind, 0)
            assert said.ratings is not None
            errors = split.test.ratings - said.ratings @ np.asarray(split.test.scale)
            assignment = bench.bases[groups].personas.assignment
            rng = np.random.default_rng(0)
            found = group_signal(errors, split.test.users, assignment, columns, rng, shuffles=6)
            yield Left(bench.name, kind, groups, found)


def search_of(personas: Personas) -> tuple[tuple[Round, ...], ...]:
    """How personas were found, start by start."""
    return () if personas.prediction is None else personas.prediction.searches


def main(args: Args) -> None:
    """Train, ask, time and write."""
    console = make_console()
    with console_run(console, args.run, "python benchmarks/ablations/frontier.py") as context:
        result = study(args, context)
        result.save(args.output)
        write_plot(result, args.output)
    for table in (frontier_table(result), frontier_differences_table(result), left_table(result), goals_table(result)):
        console.print(rich_table(table))


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
