"""The fidelity board: users beside floors, on held-out ratings, choices and rating distributions, by three protocols.

`personagym fidelity` measures the floors, the classical users and the shipped bundle. Bundles of one's own
join with `--bundles persona=runs/persona random=runs/random`; a name that is given several times is one population of
several training seeds, and a bundle joins under the protocol whose training rows it was trained on. Everybody answers
the same questions, each pair once; figures come with paired bootstrap intervals over users.
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from personagym_agents.bundle.manifest import bundle_fits
from personagym_agents.personas.clustering import fit_personas
from personagym_benchmarks.fidelity.bundles import BundlePlace, bundle_places
from personagym_benchmarks.fidelity.populations import (
    IDS_ONLY,
    NO_HISTORY,
    OTHERS,
    SHUFFLED,
    Probes,
    QuestionBench,
    check_means,
    floors,
    populations,
)
from personagym_benchmarks.fidelity.settings import FidelitySettings
from personagym_env.benchmark import Benchmark
from personagym_env.data.named_splits import SPLITS, NamedSplit, named_split
from personagym_env.data.sources import ML_100K_FINGERPRINT, load_dataset
from personagym_env.data.tables import Dataset
from personagym_env.data.traits import Traits, user_traits
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.board import (
    FidelityBoard,
    FidelityReport,
    Population,
    Resampler,
    make_board,
)
from personagym_env.evaluation.fidelity.breakdowns import Labels, by_group, by_history, by_popularity
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.fidelity.fidelity_test import FLOORS, FidelityTest
from personagym_env.evaluation.fidelity.published import PUBLISHED
from personagym_env.evaluation.fidelity.taste import TasteTest
from personagym_env.run_context import RunContext
from personagym_recommenders import load_recommender


def ways_to_part(bench: QuestionBench, traits: Traits) -> list[Labels]:
    """By history, by popularity, and by the personas of those who have training rows."""
    known = bench.split.train.counts > 0
    personas = fit_personas(
        Traits._make(column[known] for column in traits),
        bench.dataset.catalogue.genre_names,
        rng=np.random.default_rng(bench.args.seed),
    )
    return [
        by_history(bench.split),
        by_popularity(bench.split),
        by_group(bench.split, "persona", personas.names, personas.assign(traits)),
    ]


def row_names(args: FidelitySettings, places: Sequence[BundlePlace]) -> set[str]:
    """Everything that the board of a protocol will have, given the bundles that fit it."""
    names = {*FLOORS, *(load_recommender(spec).name for spec in args.recommenders), *args.agents}
    names |= {place.name for place in places}
    names |= {f"{place.name}, {OTHERS}" for place in places if place.name in args.swapped}
    return names | (
        {f"{places[-1].name}, {told}" for told in (NO_HISTORY, SHUFFLED, IDS_ONLY)}
        if places and args.controls
        else set()
    )


def requested_pairs(args: FidelitySettings, fitting: Mapping[str, Sequence[BundlePlace]]) -> list[tuple[str, str]]:
    """The pairs of names that were asked for.

    Raises:
        ValueError: an entry is not `left:right`, or no protocol has both.
    """
    pairs = []
    for entry in args.compare:
        left, colon, right = entry.partition(":")
        if not (left and colon and right):
            raise ValueError(f"a comparison is given as left:right, got {entry!r}")
        if not any({left, right} <= row_names(args, places) for places in fitting.values()):
            raise ValueError(f"no protocol has both populations of {entry}")
        pairs.append((left, right))
    return pairs


def pairs_to_compare(requested: Sequence[tuple[str, str]], rows: Sequence[Population]) -> list[tuple[str, str]]:
    """Those of the pairs that this protocol has; if none were asked for, the last population against all others."""
    if requested:
        present = {row.name for row in rows}
        return [pair for pair in requested if set(pair) <= present]
    users = [row.name for row in rows if row.kind == "users"]
    return [(users[-1], row.name) for row in rows if row.name != users[-1]] if users else []


DEFAULT_SPLITS = ("temporal", "paper", "cold")
"""Of a log with times, where none was asked for."""


def measure(
    args: FidelitySettings,
    part: NamedSplit,
    dataset: Dataset,
    places: list[BundlePlace],
    requested: Sequence[tuple[str, str]],
    context: RunContext,
) -> tuple[FidelityBoard, dict[str, str | None]]:
    """One protocol from questions to board; and who its users are, from `user_hashes`."""
    rng = np.random.default_rng(args.seed)
    protocol, description, split = part
    test = FidelityTest.draw(split, rng, args.negatives, kinds=("uniform", "popular"))
    bench = QuestionBench(args, protocol, blind(dataset, split.train), split, TasteTest.draw(test, rng), context)
    traits = user_traits(split.train, dataset.catalogue)
    probes = Probes()
    rows = [*floors(bench, traits), *populations(bench, places, probes)]
    with context.bar(f"{protocol}: personas and intervals", None):
        board = make_board(
            rows,
            bench.taste,
            ways_to_part(bench, traits),
            pairs_to_compare(requested, rows),
            Resampler(user_resamples(split.test.n_users, args.resamples, rng), rng),
            protocol=protocol,
            description=description,
            dataset=dataset.name,
            leak_test=probes.leak_test,
            memorisation=probes.memorisation,
            published=PUBLISHED.get(protocol, ()) if dataset.interactions.fingerprint() == ML_100K_FINGERPRINT else (),
        )
    return board, probes.users


def run(args: FidelitySettings, context: RunContext) -> FidelityReport:
    """Everything from data to finished boards.

    Raises:
        ValueError: a protocol or a compared name is unknown, or a bundle fits no protocol.
    """
    begin = time.perf_counter()
    unknown = sorted(set(args.splits) - set(SPLITS))
    if unknown:
        raise ValueError(f"splits must be some of {', '.join(SPLITS)}, got {', '.join(args.splits)}")
    check_means(args.agents)
    places = bundle_places(args)
    named = {place.name for place in places}
    if not set(args.ablations) <= named:
        strange = ", ".join(sorted(set(args.ablations) - named))
        raise ValueError(f"ablations are some of the bundles and bases ({', '.join(sorted(named))}), got {strange}")
    dataset = load_dataset(args.dataset)
    splits = {
        name: named_split(dataset, name, args.train_share if SPLITS[name].has_share else None)
        for name in args.splits or (DEFAULT_SPLITS if dataset.interactions.timestamps is not None else ("random",))
    }
    fitting = {
        name: [place for place in places if bundle_fits(place.place, part.split.train)] for name, part in splits.items()
    }
    for place in places:
        if place.required and not any(place in fits for fits in fitting.values()):
            raise ValueError(
                f"bundle {place.name}={place.place} was trained on the training rows of no chosen split "
                f"({', '.join(splits)}) of {dataset.name!r}"
            )
    swappable = {place.name for place in places if place.adapters}
    if not set(args.swapped) <= swappable:
        strange = ", ".join(sorted(set(args.swapped) - swappable))
        raise ValueError(f"adapters can be swapped in bundles that were given with adapters, got {strange}")
    requested = requested_pairs(args, fitting)
    measured = [measure(args, part, dataset, fitting[name], requested, context) for name, part in splits.items()]
    users = {name: found for _, known in measured for name, found in known.items()}
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "unseen items per user": args.negatives,
        "bootstrap resamples": args.resamples,
        "bundles": [place.origin() for place in places],
        "seconds": round(time.perf_counter() - begin),
    }
    return FidelityReport(
        boards=tuple(board for board, _ in measured),
        setting=setting,
        environment=environment_snapshot(),
        benchmarks={dataset.name: Benchmark.of(dataset, users)},
    )
