"""When offline metrics fail and when simulated users do: one log under selections of known strength.

`python benchmarks/ablations/planted_selection.py --dataset PATH` takes a log whose users rated everything, keeps some
of it by a law, fits recommenders and judges on what is left, and asks who orders the recommenders as the hidden ratings
do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import tyro

import personagym_agents
from ablations.selection_results import PlantedSelections, SelectionPoint, selection_plot
from personagym_agents.classical.users import FACTOR_RANKS, fit_classical
from personagym_benchmarks.agreement.contestants import enter
from personagym_benchmarks.agreement.judges import asked_judges, metric_judges
from personagym_benchmarks.console import make_console, mistakes_in_one_line
from personagym_env.collaborative.propensity import PROPENSITY_KINDS, propensities_of
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import random_split
from personagym_env.data.tables import Dataset, Interactions
from personagym_env.evaluation.agreement.analysis import AgreementAnalysis, ValuedRecommender
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender
from personagym_env.evaluation.agreement.ground_truth import closed_pool
from personagym_env.evaluation.agreement.judges import Judge
from personagym_env.evaluation.agreement.planted_selection import (
    SELECTION_KINDS,
    PlantedLog,
    SelectionKind,
    SelectionLaw,
    plant_selection,
)
from personagym_env.evaluation.agreement.quantities import Questions
from personagym_env.evaluation.core.data_overlap import deal_rows
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.files import write_atomically
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext
from personagym_recommenders import RecommenderContext, available, make_contestants


@dataclass(frozen=True)
class Args:
    """Which log, which selections."""

    dataset: str
    """A name or path that `load_dataset` takes, of a log whose users rated everything."""
    kinds: tuple[SelectionKind, ...] = SELECTION_KINDS
    """What the selection goes by."""
    strengths: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    """Log odds for each standard deviation."""
    judges: tuple[str, ...] = ("bias", "knn", "mf", "trees")
    """Users by name; they know the half of the log that the recommenders do not."""
    contestants: tuple[str, ...] = field(default_factory=tuple)
    """Names of recommenders; by default all that need no library and no users."""
    picks: int = 5
    """Hidden items that a recommender picks for each user."""
    resamples: int = 500
    """Of users, behind the intervals."""
    seed: int = 0
    """Of everything random."""
    output: Path = Path("runs/planted_selection.json")


def make_bench(planted: PlantedLog, args: Args, rng: np.random.Generator) -> Bench:
    """The kept rows split and dealt; the truth is what was hidden."""
    split = random_split(planted.dataset.interactions, 0.8, rng=rng)
    truth = closed_pool(split._replace(test=planted.hidden), k=args.picks, least=2 * args.picks)
    truth = replace(truth, name="hidden", kind="full", description=f"{args.picks} picks from each user's hidden items")
    return Bench(planted.dataset, split, deal_rows(split.train, "random", rng), (truth,))


def fit_recommenders(args: Args, bench: Bench) -> list[FittedRecommender]:
    """All that take part, fitted on their half and measured."""
    log = bench.dealt.recommenders
    context = RecommenderContext(liked_from(log), None)
    specs, _ = available(log, bench.dataset.catalogue, context, slow=False, online=False)
    names = args.contestants or tuple(name for name, spec in specs.items() if not spec.needs)
    return [enter((bench, RunContext()), named) for named in make_contestants(names, context)]


def judge(
    args: Args, planted: PlantedLog, bench: Bench, recommenders: list[FittedRecommender]
) -> tuple[list[Judge], float]:
    """Judges of the half that the recommenders do not know, as they are and by propensities; mf's weight."""
    (truth,) = bench.ground_truths
    log = bench.dealt.others
    known = planted.dataset.interactions
    chance = planted.propensities[known.pairs.rows(log.users, log.items)]
    blinded = blind(bench.dataset, log)
    fits: dict[str, Callable[[], UserAgent]] = {
        name: partial(personagym_agents.load, name, blinded, log) for name in args.judges
    }
    told = {"known propensities": chance}
    told |= {f"propensities by {kind}": propensities_of(kind, log) for kind in PROPENSITY_KINDS}
    for name in [name for name in FACTOR_RANKS if name in args.judges]:
        for what, propensities in told.items():
            weighted = partial(fit_classical, name, log, propensities=propensities)
            fits |= {
                f"{name}, {what}": weighted,
                f"{name}, doubly robust, {what}": partial(weighted, doubly_robust=True),
            }
    questions = Questions.about(bench.split.test, [(truth.users, one.picks[truth.name]) for one in recommenders])
    judges: list[Judge] = []
    weight = np.nan
    for name, fit in fits.items():
        answers = questions.ask(fit(), np.random.default_rng(args.seed))
        judges += asked_judges(name, "disjoint", answers, truth, recommenders)
        weight = answers.weight.weight.value if name == "mf" else weight
    return judges + metric_judges(truth, recommenders), weight


def measure(args: Args, dataset: Dataset, law: SelectionLaw) -> list[SelectionPoint]:
    """Tau of every judge under one selection."""
    rng = np.random.default_rng(args.seed)
    planted = plant_selection(dataset, law, rng)
    bench = make_bench(planted, args, rng)
    (truth,) = bench.ground_truths
    recommenders = fit_recommenders(args, bench)
    judges, weight = judge(args, planted, bench, recommenders)
    valued = [ValuedRecommender(one.name, one.model_class, truth.value(one.picks[truth.name])) for one in recommenders]
    log: Interactions = bench.split.test
    analysis = AgreementAnalysis(valued, user_resamples(log.n_users, args.resamples, rng), rng)
    ceiling = analysis.noise_ceiling()
    return [
        SelectionPoint(
            law.kind, law.strength, row.judge, row.kind, row.figure, row.tau, row.regret_share, ceiling, weight
        )
        for row in map(analysis.compare, judges)
    ]


def main(args: Args) -> None:
    """Every selection, printed and written."""
    dataset = load_dataset(args.dataset)
    console = make_console()
    points: list[SelectionPoint] = []
    for kind in args.kinds:
        for strength in args.strengths:
            if strength == 0 and kind != args.kinds[0]:  # no selection is the same whatever it goes by
                points += [
                    replace(point, kind=kind) for point in points if point.strength == 0 and point.kind == args.kinds[0]
                ]
                continue
            measured = measure(args, dataset, SelectionLaw(kind, strength))
            points += measured
            best = max(measured, key=lambda point: point.tau.value)
            console.print(f"{kind} {strength:g}: best is {best.judge}, {best.tau.value:.2f}")
    result = PlantedSelections(
        dataset=dataset.name,
        points=tuple(points),
        setting={**recorded(args), "data fingerprint": dataset.fingerprint()},
        environment=environment_snapshot(),
    )
    result.save(args.output)
    write_atomically(args.output.with_suffix(".svg"), selection_plot(result))
    console.print(args.output)


if __name__ == "__main__":
    with mistakes_in_one_line("planted_selection"):
        main(tyro.cli(Args, description=__doc__))
