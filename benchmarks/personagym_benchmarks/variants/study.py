"""Variants of users on the fidelity board: `personagym fidelity --variants all`.

Each variant is measured against itself with its core switched off, with the same seeds, questions and resamples of
users: that difference is the evidence for its idea, and the other rows are what both stand beside. One variant is in
memory at a time; what is finished is kept, and one that fails leaves the others as they are.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np

import personagym_agents
from personagym_agents.bundle.manifest import BUNDLED, bundle_fits
from personagym_agents.variants import VARIANTS
from personagym_benchmarks.fidelity.bundles import SHIPPED
from personagym_benchmarks.fidelity.populations import MEAN
from personagym_benchmarks.fidelity.settings import FidelitySettings
from personagym_benchmarks.variants.bench import VariantBench, figures_of
from personagym_benchmarks.variants.board import VariantPart, VariantReport, VariantRow
from personagym_benchmarks.variants.parts import KEY, file_of, key_of, read_part
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import named_split
from personagym_env.data.sources import load_dataset
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.run_context import RunContext

EVERY = "all"


def variant_names(words: Sequence[str]) -> tuple[str, ...]:
    """The variants that were asked for, in the order of `VARIANTS`; words may hold several names, parted by commas.

    Raises:
        ValueError: there is none of that name.
    """
    asked = {name.strip() for word in words for name in word.split(",")} - {""}
    if EVERY in asked:
        asked = (asked - {EVERY}) | set(VARIANTS)
    if unknown := sorted(asked - set(VARIANTS)):
        raise ValueError(f"variants are {EVERY!r} or some of {', '.join(VARIANTS)}, got {', '.join(unknown)}")
    return tuple(name for name in VARIANTS if name in asked)


def run(args: FidelitySettings, context: RunContext) -> VariantReport:
    """Everything from data to a finished report.

    Raises:
        ValueError: a variant or split is unknown, there is more than one split, or something is asked that the study
            of variants does not measure.
    """
    begin = time.process_time()
    names = variant_names(args.variants)
    if len(args.splits) > 1 or args.bundles or args.bases or args.compare or args.swapped or args.ablations:
        raise ValueError("with variants, one split at most is measured, and neither bundles, bases nor comparisons")
    dataset = load_dataset(args.dataset)
    part = named_split(dataset, args.splits[0] if args.splits else None, args.train_share)
    rng = np.random.default_rng(args.seed)
    bench = VariantBench(
        blind(dataset, part.split.train),
        part,
        FidelityTest.draw(part.split, rng, args.negatives),
        user_resamples(part.split.test.n_users, args.resamples, rng),
        args.seed,
        context,
    )
    told = {
        "data fingerprint": dataset.fingerprint(),
        "split": part.description,
        "seed": args.seed,
        "unseen items per user": args.negatives,
        "bootstrap resamples": args.resamples,
    }
    beside = {"agents": [name for name in args.agents if MEAN not in name], "shipped": args.shipped}
    parts = [_kept(context, key_of([told, beside], None), "floors and users", lambda key: _beside(bench, args, key))]
    failures = {}
    for name in names:
        variant = VARIANTS[name]
        try:
            key = key_of(told, variant)
            parts.append(_kept(context, key, name, lambda key: bench.variant(variant, key)))  # noqa: B023 (called now)
        except Exception as error:
            failures[name] = f"{type(error).__name__}: {error}"
            context.tell(f"{name} could not be measured: {failures[name]}")
    users = {name: found for one in parts for name, found in one.users.items()}
    return VariantReport(
        setting=told | beside | {"processor seconds": round(time.process_time() - begin)},
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, users)},
        dataset=dataset.name,
        description=part.description,
        rows=tuple(row for one in parts for row in one.rows),
        differences=tuple(one.difference for one in parts if one.difference is not None),
        measurements={one.rows[0].name: one.measurements for one in parts if one.measurements},
        failures=failures,
    )


def _kept(context: RunContext, key: str, name: str, find: Callable[[str], VariantPart]) -> VariantPart:
    """A part, as a run before this one found it or found now, and then kept."""
    finished = read_part(context.folder, key)
    if finished is not None:
        context.tell(f"{name}: taken from {file_of(context.folder, key)}")
        return finished
    begin = time.process_time()
    found = find(key)
    found.save(file_of(context.folder, key))
    context.tell(f"{name}: {time.process_time() - begin:.0f} processor seconds")
    return found


def _beside(bench: VariantBench, args: FidelitySettings, key: str) -> VariantPart:
    """Floors, classical users and the shipped ones, where their bundle was trained on the rows."""
    rows = [
        VariantRow(answers.name, "floor", figures_of(bench.measured(answers))) for answers in bench.test.floor_answers()
    ]
    train, hashes = bench.part.split.train, dict[str, str | None]()
    names = {name: name for name in args.agents if MEAN not in name}
    if args.shipped and bundle_fits(BUNDLED, train):
        names[SHIPPED] = "persona"
    for title, name in names.items():
        row, _, users = bench.users(
            title,
            "users",
            lambda name=name: personagym_agents.load(name, bench.dataset, train),  # type: ignore[misc]
        )
        rows.append(row)
        hashes |= users
    return VariantPart(setting={KEY: key}, environment=environment_snapshot(), rows=tuple(rows), users=hashes)
