"""Validation: do simulated logs look like real ones?

`personagym validation` lets simulated users of MovieLens-100K react to logging policies until each has
consumed as much as is held out of the real log, and compares both logs: session lengths, ratings, popularity, genres,
and how ratings move within a session. Floors stand beside them: real rows against real rows, and a simulator without
knowledge. It prints tables and writes JSON. Data and users of one's own join by option.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

import personagym_agents
from personagym_benchmarks.validation.settings import ValidationSettings
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Catalogue, FloatArray, Interactions
from personagym_env.evaluation.core.shown_value import choice_logit
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.fidelity.contamination import blind
from personagym_env.evaluation.validation.aspects import Ruler
from personagym_env.evaluation.validation.board import Simulated, Validation, session_budget, validate
from personagym_env.evaluation.validation.logging_policies import (
    Logits,
    SoftmaxPolicy,
    affinity_logits,
    fit_sharpness,
    popularity_logits,
    uniform_logits,
)
from personagym_env.evaluation.validation.policy_mixture import Guess, fit_mixture, mixture_logits, recency_logits
from personagym_env.evaluation.validation.simulated_log import LONGEST_SESSION, simulate_log
from personagym_env.protocols import Observation, UserAgent
from personagym_env.run_context import RunContext
from personagym_env.session.parameters import GAP_MINUTES
from personagym_env.world import World, make_world
from personagym_recommenders.models.item_models import ItemKNN

TASTE = "mf"
"""Users whose choices part what was shown from what was wanted, where the mixture is fitted."""
FLOOR_AGENT = "bias"
"""Users of the simulator without knowledge."""


@dataclass(frozen=True)
class Policy:
    """A logging policy, and what it assumes."""

    name: str
    logits: Logits
    description: str


def policies(args: ValidationSettings, world: World) -> Iterator[Policy]:
    """The asked policies, learned from training rows."""
    train, catalogue = world.train, world.dataset.catalogue
    inner = temporal_split(train, args.train_share)
    sharpness = np.nan
    if set(args.policies) - {"popularity"}:
        sharpness = fit_sharpness(ItemKNN().fit(inner.train, catalogue).score, inner, catalogue)
    for name in args.policies:
        if name == "popularity":
            words = "slates drawn in proportion to training rows (plus one)"
            yield Policy(name, popularity_logits(train), words)
        elif name == "item-kNN":
            words = (
                f"slates drawn by a softmax of {sharpness:.3g} times item-kNN's votes over their mean; the factor "
                "makes the latest training rows likeliest"
            )
            yield Policy(name, affinity_logits(ItemKNN().fit(train, catalogue).score, sharpness), words)
        else:
            odds = choice_odds(personagym_agents.load(TASTE, blind(world.dataset, inner.train), inner.train))
            mixture = fit_mixture(guesses(inner.train, catalogue, sharpness), inner, catalogue, odds)
            mixed = mixture_logits(guesses(train, catalogue, sharpness), mixture.shares, train)
            yield Policy(name, mixed, f"{mixture.description}, where {TASTE} users choose from what is shown")


def choice_odds(users: UserAgent) -> Logits:
    """Log odds (n, m) with which users would choose each item of the catalogue; for users who answer quickly."""

    def odds(observation: Observation) -> FloatArray:
        people = observation["user"]
        rows = np.arange(len(people))
        sessions = users.open(len(people))
        sessions.start(rows, people)
        everything = np.broadcast_to(np.arange(users.n_items), (len(people), users.n_items))
        return choice_logit(sessions.react(rows, everything).choice_probability)

    return odds


def guesses(log: Interactions, catalogue: Catalogue, sharpness: float) -> list[Guess]:
    """What a logging policy may have gone by, learned from the log."""
    return [
        Guess("uniform", uniform_logits(log.n_items)),
        Guess("popularity", popularity_logits(log)),
        Guess("recency", recency_logits(log)),
        Guess("item-kNN", affinity_logits(ItemKNN().fit(log, catalogue).score, sharpness)),
    ]


def sources(
    args: ValidationSettings, world: World, budget: np.ndarray, context: RunContext
) -> Iterator[tuple[Simulated, dict[str, str | None]]]:
    """Every population with every policy, and the simulator without knowledge; each with who its users are."""
    chosen = list(policies(args, world))
    chance = Policy("uniform", uniform_logits(world.train.n_items), "uniformly random slates")
    for agent, policy in [*((agent, policy) for agent in args.agents for policy in chosen), (FLOOR_AGENT, chance)]:
        users = personagym_agents.load(agent, world.dataset, world.train)
        begin, name = time.perf_counter(), f"{users.name}, {policy.name}"
        with context.bar(f"log of {name}", int(budget.sum())) as advance:
            log = simulate_log(
                SoftmaxPolicy(policy.name, policy.logits, np.random.default_rng(args.seed)),
                replace(world, agent=users),
                budget,
                seed=args.seed,
                slate_size=args.slate_size,
                progress=advance,
            )
        context.tell(f"{name}: {len(log.log):,} consumptions in {time.perf_counter() - begin:.1f} s")
        kind: Literal["users", "chance"] = "chance" if policy is chance else "users"
        yield Simulated(name, kind, log, f"{users.name} users, {policy.description}"), user_hashes([users])


def assumptions(args: ValidationSettings) -> tuple[str, ...]:
    """What the logs do not say."""
    return (
        "No log says which items its users were shown. The logging policies are guesses, learned from training rows; a "
        "policy in proportion to consumption and users who then choose by taste both favour popular items, so that "
        "their logs may be more concentrated than the real one. The mixture is fitted with users who choose, and what "
        "these users' tastes explain is no longer put down to the slates.",
        "A real log shows ratings, the simulation consumptions; steps without consumption are in neither.",
        f"A pause of {GAP_MINUTES:g} minutes ends a real session; a simulated one ends when the user leaves (or after "
        f"{LONGEST_SESSION} slates, as cut off).",
        "Rows with one and the same timestamp stand in the order of the source.",
        "Examination, the outside option and satiation have the values of the simulation card.",
    )


def run(args: ValidationSettings, context: RunContext) -> Validation:
    """Everything from data to result."""
    begin = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    dataset = load_dataset(args.dataset)
    split: Split = temporal_split(dataset.interactions, args.train_share)
    world = make_world(dataset, FLOOR_AGENT, train_share=args.train_share)
    takers = np.flatnonzero(split.test.counts)
    budget = session_budget(split, takers if args.users is None else rng.permutation(takers)[: args.users])
    simulated = list(sources(args, world, budget, context))
    users = {name: found for _, known in simulated for name, found in known.items()}
    with context.bar("compare", None):
        result = validate(
            split,
            Ruler(split.train, dataset.catalogue),
            [log for log, _ in simulated],
            budget,
            rng,
            dataset=dataset.name,
            resamples=args.resamples,
            assumptions=assumptions(args),
            setting={
                "data fingerprint": dataset.fingerprint(),
                "seed": args.seed,
                "training share": args.train_share,
                "slate size": args.slate_size,
                "bootstrap resamples": args.resamples,
            },
            environment=environment_snapshot(),
        )
    benchmark = Benchmark.of(dataset, users, known=world.train, parameters=world.parameters)
    setting = {**result.setting, "seconds": round(time.perf_counter() - begin)}
    return replace(result, setting=setting, benchmarks={dataset.name: benchmark})
