"""The rows of the fidelity board: floors, classical users, language-model users and their controls."""

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

import personagym_agents
from personagym_agents.bundle.storage import load_bundle_agent
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.probes.controls import with_adapters_of_others, with_shuffled_ratings, without_history
from personagym_agents.probes.memorisation import ratings_from_ids, title_memorisation
from personagym_benchmarks.fidelity.bundles import BundlePlace
from personagym_benchmarks.fidelity.settings import FidelitySettings
from personagym_env.benchmark import user_hashes
from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset
from personagym_env.data.traits import Traits, profile_features
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.core.offline import opening_scores
from personagym_env.evaluation.fidelity.board import Population
from personagym_env.evaluation.fidelity.contamination import TitleMemorisation, find_leaks
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest
from personagym_env.evaluation.fidelity.taste import TasteTest
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext
from personagym_recommenders import load_recommender
from personagym_recommenders.base import ScoringRecommender

NO_HISTORY, SHUFFLED, IDS_ONLY = "no history", "shuffled ratings", "ids alone"
"""What is told to controls."""
MEAN = "+"
"""Stands between the names of populations whose mean is asked for."""
OTHERS = "adapters of others"
"""What users are given who are asked again with each other's adapters."""


@dataclass(frozen=True, eq=False)
class QuestionBench:
    """One protocol: what is asked, and of whose log."""

    args: FidelitySettings
    protocol: str
    dataset: Dataset
    """Without the held-out rows."""
    split: Split
    taste: TasteTest
    context: RunContext

    @property
    def test(self) -> FidelityTest:
        """The questions."""
        return self.taste.test

    def ask(self, agent: UserAgent, name: str) -> Answers:
        """Everything that a population has to say."""
        begin = time.perf_counter()
        with self.context.bar(f"{self.protocol}: {name}", self.test.n_questions) as advance:
            answers = self.test.answers(agent, name=name, progress=advance, workers=self.context.workers)
        rate = self.test.n_questions / (time.perf_counter() - begin)
        self.context.tell(f"{self.protocol}: {name} answered {self.test.n_questions:,} questions, {rate:,.0f} a second")
        return answers

    def search(self, agent: LanguageUserAgent, name: str) -> int:
        """Search prompts for held-out items; how many were searched.

        Raises:
            SystemExit: one was found.
        """
        owners = np.flatnonzero(self.split.test.counts)
        documents = ((int(user), agent.document(int(user))) for user in owners)
        leaks = find_leaks(documents, self.dataset.catalogue, self.split)
        if leaks:
            raise SystemExit(f"prompts of {name!r} speak of held-out rows ({len(leaks)} lines), such as {leaks[0]}")
        return len(owners)


def floors(bench: QuestionBench, traits: Traits) -> Iterator[Population]:
    """What needs no user: means, popularity, recommenders."""
    for answers in bench.test.floor_answers():
        yield Population(answers.name, "floor", (answers,))
    for spec in bench.args.recommenders:
        recommender = load_recommender(spec)
        if not isinstance(recommender, ScoringRecommender):
            raise ValueError(f"recommender {spec!r} gives no scores, so it cannot be a floor of taste")
        with bench.context.bar(f"{bench.protocol}: fit {recommender.name}", None):
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
    memorisation: dict[str, TitleMemorisation] = field(default_factory=dict)
    """Base to what it knows of titles."""
    users: dict[str, str | None] = field(default_factory=dict)
    """From `user_hashes`, of all populations but controls and those with adapters of others."""


def populations(bench: QuestionBench, places: list[BundlePlace], probes: Probes) -> Iterator[Population]:
    """Classical users, then language-model users, then their controls."""
    said: dict[str, Answers] = {}
    for name in bench.args.agents:
        if MEAN in name:
            said[name] = mean_answers(name, said)
        else:
            agent = personagym_agents.load(name, bench.dataset, bench.split.train)
            probes.users |= user_hashes([agent])
            said[name] = bench.ask(agent, name)
        yield Population(name, "users", (said[name],))
    for name in dict.fromkeys(place.name for place in places):
        runs: list[Answers] = []
        others: list[Answers] = []
        for place in places:
            if place.name == name:
                users = load_bundle_agent(place.place, bench.dataset, bench.split.train, adapters=place.adapters)
                probes.users |= user_hashes([users])
                probes.leak_test[name] = probes.leak_test.get(name, 0) + bench.search(users, name)
                runs.append(bench.ask(users, name))
                if name in bench.args.swapped:
                    rng = np.random.default_rng((bench.args.seed, len(others)))
                    others.append(bench.ask(with_adapters_of_others(users, rng), f"{name}, {OTHERS}"))
        memory = users.corpus.memory is not None
        yield Population(name, "ablation" if name in bench.args.ablations else "users", tuple(runs), memory)
        if others:
            yield Population(f"{name}, {OTHERS}", "ablation", tuple(others), memory)
        if bench.args.controls and name == places[-1].name:
            yield from controls(bench, users, name)
            base = load_bundle_agent(places[-1].place, bench.dataset, bench.split.train, adapters=False)
            yield recited_ratings(bench, base, name)
            titles, rng = bench.dataset.catalogue.titles, np.random.default_rng(bench.args.seed)
            probes.memorisation[f"base of {name}"] = title_memorisation(
                base.population.model, base.corpus.tokenizer, titles, rng
            )
            del base
        del users
        gc.collect()  # a model and its caches, before the next one is loaded


def check_means(agents: Sequence[str]) -> None:
    """Nothing, if every mean is of others that stand before it.

    Raises:
        ValueError: one is not.
    """
    for place, name in enumerate(agents):
        missing = [part for part in name.split(MEAN) if part not in agents[:place]] if MEAN in name else []
        if missing:
            raise ValueError(f"{name!r} is a mean of users that must stand before it, and {', '.join(missing)} do not")


def mean_answers(name: str, said: Mapping[str, Answers]) -> Answers:
    """The mean of what several populations answered, such as `knn+mf`."""
    answers = [said[part] for part in name.split(MEAN)]
    unseen = {kind: [one.unseen[kind] for one in answers] for kind in answers[0].unseen}
    return Answers(
        name,
        ratings=np.mean([one.ratings for one in answers if one.ratings is not None], axis=0),
        score=np.mean([one.score for one in answers if one.score is not None], axis=0),
        unseen={kind: np.mean(parts, axis=0) for kind, parts in unseen.items()},
        wants=True,
    )


def controls(bench: QuestionBench, agent: LanguageUserAgent, name: str) -> Iterator[Population]:
    """The population told nothing, and told shuffled ratings."""
    memory = agent.corpus.memory is not None
    told = f"{name}, {NO_HISTORY}"
    yield Population(told, "control", (bench.ask(without_history(agent), told),), memory)
    told = f"{name}, {SHUFFLED}"
    shuffled = with_shuffled_ratings(agent, np.random.default_rng(bench.args.seed))
    yield Population(told, "control", (bench.ask(shuffled, told),), memory)


def recited_ratings(bench: QuestionBench, base: LanguageUserAgent, name: str) -> Population:
    """What the base of a population says to the ids of users and items: nothing, unless it has read the data."""
    ids = bench.dataset.users.ids, bench.dataset.catalogue.ids
    ratings = ratings_from_ids(base.population.model, base.corpus, bench.split.test, ids)
    return Population(f"{name}, {IDS_ONLY}", "control", (Answers(f"{name}, {IDS_ONLY}", ratings=ratings),))
