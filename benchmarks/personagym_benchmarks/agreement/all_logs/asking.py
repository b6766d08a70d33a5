"""What every population says of the items of a log, kept, so that a study that was cut off goes on."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import personagym_agents
from personagym_agents.bundle.manifest import find_shipped, may_have_read
from personagym_benchmarks.agreement.all_logs.keys import classical_key, language_key
from personagym_benchmarks.agreement.all_logs.settings import AllLogsSettings
from personagym_env.data.tables import Dataset, IntArray, Interactions
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, MeasuredRecommender
from personagym_env.evaluation.agreement.quantities import Answers, Questions
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.pair_reactions import PairReactions, react_to_pairs
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.fit_cache.kept import kept
from personagym_env.run_context import RunContext

PERSONA = "persona"
"""What language-model users are called, whether a bundle was trained on the rows or the shipped base reads the log."""


class AskedPopulation(NamedTuple):
    """One population and what it said."""

    name: str
    rows: DataOverlap
    answers: Answers


@kept(PairReactions, made_by=["personagym_env.evaluation.core.pair_reactions"])
def react(
    name: str, dataset: Dataset, train: Interactions, users: IntArray, items: IntArray, key: str
) -> PairReactions:
    """What users who know the training rows say of pairs.

    Args:
        name: that `personagym_agents.load` takes.
        dataset: with no other rows than `train`.
        train: rows that the users may know.
        users: (p,)
        items: (p,)
        key: of the users, by which what was kept is known again.
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
                    language_key(log) if name == PERSONA else classical_key(name, log, bench.dataset.catalogue),
                )
            yield AskedPopulation(name, rows, questions.answered(reactions, np.random.default_rng(args.seed)))
