"""Who is judged on every log, fitted on one half of the training rows, with all picks and lists kept."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import personagym_agents
from personagym_agents.classical.users import fingerprint_of
from personagym_benchmarks.agreement.all_logs.keys import recommender_key
from personagym_benchmarks.agreement.all_logs.settings import AllLogsSettings
from personagym_benchmarks.agreement.contestants import LEARN_WITH
from personagym_env.data.splits import Split
from personagym_env.data.tables import Catalogue, Dataset, IntArray, Users
from personagym_env.env import HISTORY_LENGTH
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, MeasuredRecommender
from personagym_env.evaluation.agreement.ground_truth import GroundTruth
from personagym_env.evaluation.agreement.replay import REPLAY, replay_pool
from personagym_env.evaluation.core.data_overlap import DealtRows
from personagym_env.evaluation.core.offline import TopLists, liked_from
from personagym_env.fit_cache.kept import kept
from personagym_env.run_context import RunContext
from personagym_recommenders import RecommenderContext, RecommenderSpec, available
from personagym_recommenders.loading import find_recommender
from personagym_recommenders.registry import Need

USERS = partial(personagym_agents.load, LEARN_WITH)
"""Who reacts where recommenders learn in sessions; they know the recommenders' half."""
DRAWN = ("plackett-luce:ease", "epsilon-greedy:best-rated")
"""Stochastic policies over the scores of others."""
CLASSES = frozenset({"popularity", "bias", "neighbours", "factors", "network", "bandit", "policy", "offline policy"})
"""Kinds of recommenders of which no log may lack one."""


def offline_trained() -> dict[str, RecommenderSpec]:
    """Policies that learn from a log of another policy."""
    # Here, because these import torch.
    from personagym_recommenders.offline.behaviour_cloning import BehaviourCloning
    from personagym_recommenders.offline.cql import CQL
    from personagym_recommenders.offline.iql import IQL
    from personagym_recommenders.offline.log_trained import LogTrained

    learners = {"bc-trained": BehaviourCloning, "cql-trained": CQL, "iql-trained": IQL}
    needs: frozenset[Need] = frozenset({"users to learn with"})
    return {
        name: RecommenderSpec(name, "offline policy", LogTrained, {"learner": learner}, {"users": "users"}, needs)
        for name, learner in learners.items()
    }


def choose_line_up(
    args: AllLogsSettings, dataset: Dataset, dealt: DealtRows
) -> tuple[dict[str, RecommenderSpec], dict[str, str]]:
    """Specs by name; and why others of the registry take no part.

    Raises:
        ValueError: a library is missing that some of them need, or a kind of recommenders has nobody.
    """
    log = dealt.recommenders
    context = RecommenderContext(liked_from(log), USERS)
    chosen, left_out = available(log, dataset.catalogue, context, online=False)
    if lacking := [f"{name} ({why})" for name, why in left_out.items() if "RecBole" in why or "Baselines" in why]:
        raise ValueError(
            f"{dataset.name}: the study on all data needs every recommender, and lacks {'; '.join(lacking)}"
        )
    left_out |= dict.fromkeys(args.left_out, "takes minutes on a CPU")
    specs = {name: spec for name, spec in chosen.items() if name not in args.left_out}
    specs |= {name: find_recommender(name) for name in DRAWN} | offline_trained()
    if missing := sorted(CLASSES - {spec.model_class for spec in specs.values()}):
        raise ValueError(f"{dataset.name}: nobody is left of the recommenders called {', '.join(missing)}")
    return specs, left_out


@dataclass(frozen=True, eq=False)
class Shown:
    """What a fitted recommender shows."""

    picks: Mapping[str, IntArray]
    """Ground truth, or `REPLAY`, to (n, k)."""
    users: IntArray
    """(l,) whom lists were made for."""
    lists: IntArray
    """(l, 10)"""
    seconds: float
    """Processor time of the fit."""


@kept(
    Shown,
    made_by=[
        Bench,
        "personagym_env.evaluation.agreement.replay",
        "personagym_env.evaluation.core.data_overlap",
        "personagym_env.data.traits",
    ],
)
def show(
    name: str,
    catalogue: Catalogue,
    split: Split,
    dealt: DealtRows,
    ground_truths: tuple[GroundTruth, ...],
    key: str,
) -> Shown:
    """Fit a recommender and let it pick and list.

    Args:
        name: of the recommender.
        catalogue: of the log.
        split: of the log; of its held-out rows no more is read than whose they are.
        dealt: the training rows; those of recommenders are learned from.
        ground_truths: that it picks for.
        key: of the recommender, by which what was kept is known again.
    """
    spec = offline_trained().get(name) or find_recommender(name)
    recommender = spec.make(RecommenderContext(liked_from(dealt.recommenders), USERS))
    begin = time.process_time()
    recommender.fit(dealt.recommenders, catalogue)
    seconds = time.process_time() - begin
    nobody = Users(tuple(map(str, range(split.train.n_users))))
    bench = Bench(Dataset("training rows", catalogue, nobody, split.train), split, dealt, ground_truths)
    replayed = replay_pool(dealt.others).picks(recommender, bench.profiles, history_length=HISTORY_LENGTH)
    return Shown({**bench.picks(recommender), REPLAY: replayed}, *bench.lists(recommender), seconds)


def fit_line_up(
    args: AllLogsSettings, bench: Bench, context: RunContext
) -> tuple[list[MeasuredRecommender], dict[str, str]]:
    """All recommenders, measured; and why others take no part.

    Raises:
        ValueError: a recommender cannot be fitted, which is named; and see `choose_line_up`.
    """
    dataset = bench.dataset
    specs, left_out = choose_line_up(args, dataset, bench.dealt)
    measured = []
    users = fingerprint_of(LEARN_WITH, bench.dealt.recommenders, dataset.catalogue)
    for name, spec in specs.items():
        key = recommender_key(spec, users)
        with context.bar(f"{dataset.name}: {name}", None):
            try:
                shown = show(name, dataset.catalogue, bench.split, bench.dealt, bench.ground_truths, key)
            except (ValueError, RuntimeError, MemoryError) as error:
                raise ValueError(f"{dataset.name}: recommender {name!r} cannot take part: {error}") from error
        lists = TopLists(shown.users, shown.lists)
        picks = {**shown.picks, **{truth.name: lists.of(truth.users) for truth in bench.list_truths}}
        context.tell(f"{dataset.name}: {name} was fitted in {shown.seconds:.1f} s")
        measured.append(MeasuredRecommender(name, spec.model_class, picks, bench.offline(lists), shown.seconds))
    return measured, left_out
