"""The recommenders of the agreement study, fitted on their half of the training rows."""

import time
from functools import partial

import personagym_agents
from personagym_benchmarks.agreement.settings import AgreementSettings
from personagym_env.evaluation.agreement.fitted_recommenders import Bench, FittedRecommender
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.run_context import RunContext
from personagym_recommenders import NamedRecommender, RecommenderContext, available, make_contestants

LEARN_WITH = "mf"
"""Users whom the bandit and the policy learn with; they know the recommenders' half."""


def choose_contestants(args: AgreementSettings, bench: Bench) -> tuple[list[NamedRecommender], dict[str, str]]:
    """Unfitted recommenders; and why others are left out.

    Raises:
        ValueError: two recommenders have one name.
    """
    log = bench.dealt.recommenders
    context = RecommenderContext(liked_from(log), partial(personagym_agents.load, LEARN_WITH))
    chosen, left_out = available(log, bench.dataset.catalogue, context, slow=args.slow, online=False)
    named = {name: why for name, why in left_out.items() if name not in args.recommender}
    return make_contestants((*chosen, *args.recommender), context), named


def enter(stage: tuple[Bench, RunContext], named: NamedRecommender) -> FittedRecommender:
    """Fit a recommender on its half, let it pick from every pool and measure it."""
    bench, context = stage
    name, model_class, recommender = named
    begin = time.perf_counter()
    with context.bar(f"fit {name}", None):
        recommender.fit(bench.dealt.recommenders, bench.dataset.catalogue)
    seconds = time.perf_counter() - begin
    with context.bar(f"{name}: picks and metrics", None):
        picks, lists = bench.picks(recommender), bench.lists(recommender)
        picks |= {truth.name: lists.of(truth.users) for truth in bench.list_truths}
        offline = bench.offline(lists)
    context.tell(f"{name}: fitted in {seconds:.1f} s, measured in {time.perf_counter() - begin - seconds:.1f} s")
    return FittedRecommender(name, model_class, picks, offline, seconds, recommender=recommender)
