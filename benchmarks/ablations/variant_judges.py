"""Variants as judges of recommenders: the order in which each puts them, beside its twin's and beside real users'.

`python benchmarks/ablations/variant_judges.py` fits the quick recommenders on one half of the training rows, and every
variant, with its core and without, on the other half. Each says what it thinks of the same picks; the annotator says it
of whole slates, since that is its core. Tau is Kendall's, between that order and the one by the real ratings of picks
(closed pool), by what people went on to take (choice), and by both (joint).
"""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import personagym_agents
from ablations.variant_judges_results import JudgedVariant, VariantJudges, variant_judges_table
from personagym_agents.variants import VARIANTS
from personagym_agents.variants.annotator import AnnotatingUsers
from personagym_benchmarks.agreement.all_logs.asking import questions_of
from personagym_benchmarks.agreement.all_logs.study import few_users, find_truths
from personagym_benchmarks.agreement.contestants import choose_contestants, enter
from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import console_run
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.evaluation.agreement.analysis import AgreementAnalysis, ValuedRecommender
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender
from personagym_env.evaluation.agreement.judges import Judge
from personagym_env.evaluation.agreement.quantities import Questions
from personagym_env.evaluation.agreement.truths import own_figures
from personagym_env.evaluation.core.data_overlap import DataOverlap, deal_rows
from personagym_env.evaluation.core.result_file import recorded
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import RatioOfSums, user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.reporting.terminal import rich_table
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext

TWIN = "{}, core off"
ROWS: DataOverlap = "disjoint"
"""Which training rows judges know: the half that recommenders do not."""


@dataclass(frozen=True)
class Args:
    """Who judges, on whom."""

    dataset: str = "ml-100k"
    variants: tuple[str, ...] = tuple(VARIANTS)
    floors: tuple[str, ...] = ("bias", "mf")
    """Classical users who judge beside them."""
    recommenders: tuple[str, ...] = ()
    """Who are judged; none names all that are quick to fit."""
    evaluated: int = 300
    """Users, drawn at random among those with held-out rows enough."""
    resamples: int = 1_000
    seed: int = 0
    run: Path = Path("runs/variant-judges")
    output: Path = Path("runs/variants-agreement.json")


def judges_of(args: Args, bench: Bench, context: RunContext) -> Iterator[tuple[str, UserAgent]]:
    """One population after the other, so that one is in memory at a time."""
    log = bench.dealt.of_judge(ROWS)
    told = blind(bench.dataset, log)
    for name in args.floors:
        yield name, personagym_agents.load(name, told, log)
    for name in args.variants:
        for title, core in ((name, True), (TWIN.format(name), False)):
            with context.bar(title, None):
                yield title, VARIANTS[name].fit(told, log, core=core, seed=args.seed)


def ask(
    name: str, agent: UserAgent, bench: Bench, questions: Questions, fitted: list[FittedRecommender], seed: int
) -> dict[str, Judge]:
    """What a population says, by truth: of whole slates where it annotates them, else of each item."""
    found: dict[str, Judge] = {}
    if isinstance(agent, AnnotatingUsers):
        for truth in bench.item_truths:
            said = [agent.annotate(truth.users, one.picks[truth.name]) for one in fitted]
            means = [RatioOfSums.of_users(truth.users, values, agent.n_users) for values in said]
            found[truth.name] = Judge(name, "users", means, "annotation", name, ROWS)
        return found
    answers = questions.ask(agent, np.random.default_rng(seed))
    for truth in bench.item_truths:
        figure = own_figures(truth.kind, truth.name)[0]
        means = [answers.mean(figure, truth.users, one.picks[truth.name]) for one in fitted]
        found[truth.name] = Judge(name, "users", means, figure, name, ROWS)
    return found


def study(args: Args, context: RunContext) -> VariantJudges:
    """Fit, ask, compare.

    Raises:
        ValueError: the log lacks a truth, or users enough for it.
    """
    dataset = load_dataset(args.dataset)
    _, words, split = named_split(dataset)
    rng = np.random.default_rng(args.seed)
    dealt = deal_rows(split.train, "alternate", rng)
    few, picks = few_users(split, args.evaluated, rng)
    refused: dict[str, str] = {}
    bench = Bench(dataset, few, dealt, *find_truths(dataset, few, picks, refused))
    if refused:
        raise ValueError(f"{dataset.name}: {'; '.join(f'{name}: {why}' for name, why in refused.items())}")
    chosen, left_out = choose_contestants(AgreementSettings(slow=False), bench)
    if args.recommenders:
        chosen = [one for one in chosen if one.name in args.recommenders]
    fitted = [enter((bench, context), one) for one in chosen]
    questions = questions_of(bench, list(fitted))
    asked: dict[str, dict[str, Judge]] = {}
    for name, agent in judges_of(args, bench, context):
        with context.bar(f"ask {name}", None):
            asked[name] = ask(name, agent, bench, questions, fitted, args.seed)
        del agent
        gc.collect()  # a model and its caches, before the next one is fitted
    weights = user_resamples(few.test.n_users, args.resamples, rng)
    rows, ceilings = list[JudgedVariant](), {}
    for truth in bench.item_truths:
        valued = [ValuedRecommender(one.name, one.model_class, truth.value(one.picks[truth.name])) for one in fitted]
        analysis = AgreementAnalysis(valued, weights, rng)
        ceilings[truth.name] = analysis.noise_ceiling()
        for name in (*args.floors, *args.variants):
            judge, twin = (asked.get(title, {}).get(truth.name) for title in (name, TWIN.format(name)))
            assert judge is not None
            rows.append(
                JudgedVariant(
                    truth.name,
                    name,
                    judge.figure,
                    analysis.compare(judge).tau,
                    None if twin is None else analysis.compare(twin).tau,
                    None if twin is None else analysis.differences(judge, twin).tau,
                )
            )
    return VariantJudges(
        rows=tuple(rows),
        ceilings=ceilings,
        recommenders=tuple(one.name for one in fitted),
        users={truth.name: len(truth.users) for truth in bench.item_truths},
        setting=recorded(args) | {"training rows": words, "judges know": ROWS, "left out": left_out},
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, {})},
    )


def main(args: Args) -> None:
    """Measure, tell and write."""
    console = make_console()
    with console_run(console, args.run, "python benchmarks/ablations/variant_judges.py") as context:
        found = study(args, context)
        found.save(args.output)
    console.print(rich_table(variant_judges_table(found)))


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
