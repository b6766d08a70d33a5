"""The fidelity board: users beside floors, on held-out ratings, choices and rating distributions, by three protocols.

`personagym fidelity` measures the floors, the classical users and the shipped bundle. Bundles of one's own
join with `--bundles persona=runs/persona random=runs/random`; a name that is given several times is one population of
several training seeds, and a bundle joins under the protocol whose training rows it was trained on. Everybody answers
the same questions, each pair once; figures come with paired bootstrap intervals over users.
"""

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

import personagym_agents
from personagym_agents.bundle.manifest import BUNDLED, bundle_fits, read_manifest
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.personas.clustering import fit_personas
from personagym_agents.probes.controls import with_adapters_of_others, with_shuffled_ratings, without_history
from personagym_agents.probes.memorisation import TitleMemorisation, ratings_from_ids, title_memorisation
from personagym_benchmarks.console import make_console
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import PROTOCOLS, Split
from personagym_env.data.tables import Dataset
from personagym_env.data.traits import Traits, profile_features, user_traits
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.offline import opening_scores
from personagym_env.evaluation.core.progress_display import ProgressDisplay
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.fidelity.board import (
    FidelityBoard,
    FidelityReport,
    Kind,
    Population,
    Resampler,
    make_board,
)
from personagym_env.evaluation.fidelity.breakdowns import Labels, by_group, by_history, by_popularity
from personagym_env.evaluation.fidelity.contamination import blind, find_leaks
from personagym_env.evaluation.fidelity.fidelity_test import FLOORS, Answers, FidelityTest
from personagym_env.evaluation.fidelity.plots import choose_rows, reliability_plot, share_plot
from personagym_env.evaluation.fidelity.taste import TasteTest
from personagym_env.evaluation.leaderboard.tables import fidelity_tables
from personagym_env.files import write_atomically
from personagym_env.protocols import UserAgent
from personagym_recommenders import load_recommender
from personagym_recommenders.base import ScoringRecommender

RUNS = Path("runs")
LEAST_WIDTH = 150
"""Characters that the tables need; a narrower terminal wraps them."""
SHIPPED = "shipped persona"
"""What the shipped bundle is called on the board."""
NO_HISTORY, SHUFFLED, IDS_ONLY = "no history", "shuffled ratings", "ids alone"
"""What is told to controls."""
OTHERS = "adapters of others"
"""What users are given who are asked again with each other's adapters."""


@dataclass(frozen=True)
class Args:
    """Whom to measure, and how."""

    dataset: str = "ml-100k"
    """A name or path that `load_dataset` takes."""
    protocols: tuple[str, ...] = tuple(PROTOCOLS)
    """Ways to part the log: temporal, paper, cold."""
    agents: tuple[str, ...] = ("bias", "knn", "mf")
    """Users by a name that `personagym_agents.load` takes, fitted under every protocol."""
    recommenders: tuple[str, ...] = ("item-knn", "BPR")
    """Recommenders whose scores are guesses at choices; floors of taste, like popularity."""
    bundles: tuple[str, ...] = ()
    """`name=path` of bundles; the same name again is another training seed of the same population."""
    bases: tuple[str, ...] = ()
    """`name=path` of bundles whose adapters are left out."""
    shipped: bool = True
    """Whether the shipped bundle joins, where it was trained on a protocol's rows."""
    controls: bool = True
    """Whether the last language-model population is asked again without histories, with shuffled ratings and by ids
    alone, and its base to complete titles."""
    swapped: tuple[str, ...] = ()
    """Names of bundles that are asked again with each user's adapter given to another user: what is as good then does
    not come from whom an adapter was trained on."""
    compare: tuple[str, ...] = ()
    """`left:right` pairs of names for the table of differences; by default the last population against all others."""
    negatives: int = 20
    """Unseen items of each user, uniform and as many matched in popularity."""
    resamples: int = 2_000
    """Bootstrap resamples of users behind the intervals."""
    seed: int = 0
    """Draws questions, resamples and shuffled ratings."""
    output: Path = RUNS / "fidelity.json"
    """Where the JSON goes; the plots go beside it."""

    def main(self) -> None:
        """Run the command."""
        main(self)


@dataclass(frozen=True)
class BundlePlace:
    """A bundle by the name of its row."""

    name: str
    place: Path | None
    """None for the shipped one."""
    adapters: bool = True

    def origin(self) -> dict[str, object]:
        """What made the bundle, for the record; of a base by path its bundle's name alone."""
        settings = read_manifest(self.place or BUNDLED).settings
        base = Path(settings["base"])
        told = {name: settings.get(name) for name in ("memory", "reasons", "personas")}
        adapters = settings["adapters"] if self.adapters else None
        return {"name": self.name, "base": base.parent.name or base.name, **told, "adapters": adapters}


def bundle_places(args: Args) -> list[BundlePlace]:
    """The bundles that were asked for, those of one name next to each other, in the order in which names come first.

    Raises:
        ValueError: an entry is not `name=path`, there is no folder, or a name stands for populations of two kinds.
    """
    places = [BundlePlace(SHIPPED, None)] if args.shipped else []
    for entries, adapters in ((args.bases, False), (args.bundles, True)):
        for entry in entries:
            name, equals, path = entry.partition("=")
            if not (name and equals and Path(path).is_dir()):
                raise ValueError(f"a bundle is given as name=path with the path of a folder, got {entry!r}")
            places.append(BundlePlace(name, Path(path), adapters))
    by_name: dict[str, list[BundlePlace]] = {}
    for place in places:
        by_name.setdefault(place.name, []).append(place)
    for name, same in by_name.items():
        if len({(place.adapters, place.place is None) for place in same}) > 1 or name in args.agents:
            raise ValueError(f"{name!r} names populations of two kinds; training seeds alone may share a name")
    return [place for same in by_name.values() for place in same]


@dataclass(frozen=True, eq=False)
class QuestionBench:
    """One protocol: what is asked, and of whose log."""

    args: Args
    protocol: str
    dataset: Dataset
    """Without the held-out rows."""
    split: Split
    taste: TasteTest
    work: ProgressDisplay

    @property
    def test(self) -> FidelityTest:
        """The questions."""
        return self.taste.test

    def ask(self, agent: UserAgent, name: str) -> Answers:
        """Everything that a population has to say."""
        begin = time.perf_counter()
        with self.work.bar(f"{self.protocol}: {name}", self.test.n_questions) as advance:
            answers = self.test.answers(agent, name=name, progress=advance)
        rate = self.test.n_questions / (time.perf_counter() - begin)
        self.work.tell(f"{self.protocol}: {name} answered {self.test.n_questions:,} questions, {rate:,.0f} a second")
        return answers

    def search(self, agent: LanguageUserAgent, name: str) -> int:
        """Search prompts for held-out items; how many were searched.

        Raises:
            SystemExit: one was found.
        """
        documents = ((int(user), agent.document(int(user))) for user in self.test.owners)
        leaks = find_leaks(documents, self.dataset.catalogue, self.split)
        if leaks:
            raise SystemExit(f"prompts of {name!r} speak of held-out rows ({len(leaks)} lines), such as {leaks[0]}")
        return len(self.test.owners)


def floors(bench: QuestionBench, traits: Traits) -> Iterator[Population]:
    """What needs no user: means, popularity, recommenders."""
    for answers in bench.test.floor_answers():
        yield Population(answers.name, "floor", (answers,))
    for spec in bench.args.recommenders:
        recommender = load_recommender(spec)
        if not isinstance(recommender, ScoringRecommender):
            raise ValueError(f"recommender {spec!r} gives no scores, so it cannot be a floor of taste")
        with bench.work.bar(f"{bench.protocol}: fit {recommender.name}", None):
            recommender.fit(bench.split.train, bench.dataset.catalogue)
        answers = bench.test.scored(
            recommender.name, opening_scores(recommender.score, profile_features(traits), HISTORY_LENGTH)
        )
        yield Population(recommender.name, "floor", (answers,))


@dataclass
class Probes:
    """What was found on the way that belongs to no row of a board."""

    leak_test: dict[str, int] = field(default_factory=dict)
    """Population to prompts searched."""
    recitation: dict[str, TitleMemorisation] = field(default_factory=dict)
    """Base to what it knows of titles."""


def populations(bench: QuestionBench, places: list[BundlePlace], probes: Probes) -> Iterator[Population]:
    """Classical users, then language-model users, then their controls."""
    for name in bench.args.agents:
        agent = personagym_agents.load(name, bench.dataset, bench.split.train)
        yield Population(name, "users", (bench.ask(agent, name),))
    for name in dict.fromkeys(place.name for place in places):
        runs: list[Answers] = []
        others: list[Answers] = []
        for place in places:
            if place.name == name:
                users = load_bundle_agent(place.place, bench.dataset, bench.split.train, adapters=place.adapters)
                probes.leak_test[name] = probes.leak_test.get(name, 0) + bench.search(users, name)
                runs.append(bench.ask(users, name))
                if name in bench.args.swapped:
                    rng = np.random.default_rng((bench.args.seed, len(others)))
                    others.append(bench.ask(with_adapters_of_others(users, rng), f"{name}, {OTHERS}"))
        yield Population(name, "users", tuple(runs))
        if others:
            yield Population(f"{name}, {OTHERS}", "control", tuple(others))
        if bench.args.controls and name == places[-1].name:
            yield from controls(bench, users, name)
            base = load_bundle_agent(places[-1].place, bench.dataset, bench.split.train, adapters=False)
            yield recited_ratings(bench, base, name)
            titles, rng = bench.dataset.catalogue.titles, np.random.default_rng(bench.args.seed)
            probes.recitation[f"base of {name}"] = title_memorisation(
                base.population.model, base.corpus.tokenizer, titles, rng
            )
            del base
        del users
        gc.collect()  # a model and its caches, before the next one is loaded


def controls(bench: QuestionBench, agent: LanguageUserAgent, name: str) -> Iterator[Population]:
    """The population told nothing, and told shuffled ratings."""
    kind: Kind = "control"
    told = f"{name}, {NO_HISTORY}"
    yield Population(told, kind, (bench.ask(without_history(agent), told),))
    told = f"{name}, {SHUFFLED}"
    shuffled = with_shuffled_ratings(agent, np.random.default_rng(bench.args.seed))
    yield Population(told, kind, (bench.ask(shuffled, told),))


def recited_ratings(bench: QuestionBench, base: LanguageUserAgent, name: str) -> Population:
    """What the base of a population says to the ids of users and items: nothing, unless it has read the data."""
    ids = bench.dataset.users.ids, bench.dataset.catalogue.ids
    ratings = ratings_from_ids(base.population.model, base.corpus, bench.split.test, ids)
    return Population(f"{name}, {IDS_ONLY}", "control", (Answers(f"{name}, {IDS_ONLY}", ratings=ratings),))


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


def row_names(args: Args, places: Sequence[BundlePlace]) -> set[str]:
    """Everything that the board of a protocol will have, given the bundles that fit it."""
    names = {*FLOORS, *(load_recommender(spec).name for spec in args.recommenders), *args.agents}
    names |= {place.name for place in places}
    names |= {f"{place.name}, {OTHERS}" for place in places if place.name in args.swapped}
    return names | (
        {f"{places[-1].name}, {told}" for told in (NO_HISTORY, SHUFFLED, IDS_ONLY)}
        if places and args.controls
        else set()
    )


def requested_pairs(args: Args, fitting: Mapping[str, Sequence[BundlePlace]]) -> list[tuple[str, str]]:
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


def measure(
    args: Args,
    protocol: str,
    dataset: Dataset,
    split: Split,
    places: list[BundlePlace],
    requested: Sequence[tuple[str, str]],
    work: ProgressDisplay,
) -> FidelityBoard:
    """One protocol from questions to board."""
    rng = np.random.default_rng(args.seed)
    test = FidelityTest.draw(split, rng, args.negatives, kinds=("uniform", "popular"))
    bench = QuestionBench(args, protocol, blind(dataset, split.train), split, TasteTest.draw(test, rng), work)
    traits = user_traits(split.train, dataset.catalogue)
    probes = Probes()
    rows = [*floors(bench, traits), *populations(bench, places, probes)]
    with work.bar(f"{protocol}: personas and intervals", None):
        return make_board(
            rows,
            bench.taste,
            ways_to_part(bench, traits),
            pairs_to_compare(requested, rows),
            Resampler(user_resamples(split.test.n_users, args.resamples, rng), rng),
            protocol=protocol,
            description=PROTOCOLS[protocol].description,
            dataset=dataset.name,
            leak_test=probes.leak_test,
            recitation={name: asdict(found) for name, found in probes.recitation.items()},
        )


def run(args: Args, console: Console) -> FidelityReport:
    """Everything from data to finished boards.

    Raises:
        ValueError: a protocol or a compared name is unknown, or a bundle fits no protocol.
    """
    begin = time.perf_counter()
    unknown = sorted(set(args.protocols) - set(PROTOCOLS))
    if unknown or not args.protocols:
        raise ValueError(f"protocols must be some of {', '.join(PROTOCOLS)}, got {', '.join(args.protocols)}")
    places = bundle_places(args)
    dataset = load_dataset(args.dataset)
    splits = {protocol: PROTOCOLS[protocol].split(dataset.interactions) for protocol in args.protocols}
    fitting = {
        protocol: [place for place in places if bundle_fits(place.place, split.train)]
        for protocol, split in splits.items()
    }
    for place in places:
        if place.place is not None and not any(place in fits for fits in fitting.values()):
            raise ValueError(
                f"bundle {place.name}={place.place} was trained on the training rows of no chosen protocol "
                f"({', '.join(args.protocols)}) of {dataset.name!r}"
            )
    swappable = {place.name for place in places if place.adapters}
    if not set(args.swapped) <= swappable:
        strange = ", ".join(sorted(set(args.swapped) - swappable))
        raise ValueError(f"adapters can be swapped in bundles that were given with adapters, got {strange}")
    requested = requested_pairs(args, fitting)
    work = ProgressDisplay(console)
    with work.bars:
        boards = tuple(
            measure(args, protocol, dataset, split, fitting[protocol], requested, work)
            for protocol, split in splits.items()
        )
    setting = {
        "data fingerprint": dataset.fingerprint(),
        "seed": args.seed,
        "unseen items per user": args.negatives,
        "bootstrap resamples": args.resamples,
        "bundles": [place.origin() for place in places],
        "seconds": round(time.perf_counter() - begin),
    }
    return FidelityReport(boards=boards, setting=setting, environment=environment_snapshot())


def main(args: Args) -> None:
    """Run, print, write."""
    console = make_console()
    report = run(args, console)
    report.save(args.output)
    console.width = max(console.width, LEAST_WIDTH)
    for board in report.boards:
        rows = choose_rows(board)
        for name, plot in (("reliability", reliability_plot(rows)), ("stars", share_plot(board, rows))):
            write_atomically(args.output.with_name(f"{args.output.stem}-{board.protocol}-{name}.svg"), plot)
        for table in fidelity_tables(board):
            console.print(table, crop=False)
    console.print(str(args.output), markup=False, highlight=False, soft_wrap=True)
