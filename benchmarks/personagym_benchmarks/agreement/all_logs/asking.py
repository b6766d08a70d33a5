"""What every population says of the items of a log, kept, so that a study that was cut off goes on."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import personagym_agents
from personagym_agents.bundle.manifest import base_for, bundle_hash, find_shipped, may_have_read
from personagym_benchmarks.agreement.all_logs.settings import AllLogsSettings
from personagym_env.data.tables import Dataset, IntArray, Interactions
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, MeasuredRecommender
from personagym_env.evaluation.agreement.quantities import Answers, Questions
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.pair_reactions import PairReactions, react_to_pairs
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.fit_cache.kept import kept, sources_of
from personagym_env.run_context import RunContext

PERSONA = "persona"
"""What language-model users are called, whether a bundle was trained on the rows or the shipped base reads the log."""


class AskedPopulation(NamedTuple):
    """One population and what it said."""

    name: str
    rows: DataOverlap
    answers: Answers


@kept(PairReactions)
def react(
    name: str, dataset: Dataset, train: Interactions, users: IntArray, items: IntArray, sources: str
) -> PairReactions:
    """What users who know the training rows say of pairs.

    Args:
        name: that `personagym_agents.load` takes.
        dataset: with no other rows than `train`.
        train: rows that the users may know.
        users: (p,)
        items: (p,)
        sources: of what fits and answers, by which what was kept is known again.
    """
    return react_to_pairs(personagym_agents.load(name, dataset, train), users, items)


def questions_of(bench: Bench, recommenders: list[MeasuredRecommender]) -> Questions:
    """All that recommenders show, and the held-out rows."""
    slates = [(truth.users, one.picks[truth.name]) for truth in bench.item_truths for one in recommenders]
    return Questions.about(bench.split.test, slates)


def ask_all(
    args: AllLogsSettings, bench: Bench, questions: Questions, context: RunContext, left_out: dict[str, str]
) -> Iterator[AskedPopulation]:
    """All populations, one after the other; `left_out` is told who cannot judge, and why."""
    for name in args.judges:
        for rows in args.rows_of(name):
            log = bench.dealt.of_judge(rows)
            if name == PERSONA and find_shipped(log) is None and may_have_read(log):
                left_out[f"{name} ({rows})"] = "the shipped bases may have read rows that are held out here"
                continue
            with context.bar(f"{bench.dataset.name}: {name} ({rows})", None):
                reactions = react(
                    "default" if name == PERSONA else name,
                    blind(bench.dataset, log),
                    log,
                    questions.users,
                    questions.items,
                    _sources(name, log),
                )
            yield AskedPopulation(name, rows, questions.answered(reactions, np.random.default_rng(args.seed)))


def _sources(name: str, log: Interactions) -> str:
    """Of what fits and answers; of language-model users the weights too."""
    if name != PERSONA:
        return sources_of("personagym_agents.classical")
    return f"{sources_of('personagym_agents')} {bundle_hash(base_for(log))}"
