"""Off-policy estimators against the truth.

`personagym off-policy` collects a pool of decisions from simulated users, draws hundreds of logs of every size from it,
and lets every estimator say what each of some fifteen policies would have earned. The simulator knows: values are
computed, or played a million times where that cannot be. Beside the estimators stands a simulator that is fitted on
the log and asked.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict

import numpy as np

from personagym_agents import load
from personagym_benchmarks.off_policy.aggregate import Measured, aggregate, goals
from personagym_benchmarks.off_policy.features import SlateFeatures
from personagym_benchmarks.off_policy.policies import evaluation_policies, logging_policy
from personagym_benchmarks.off_policy.pool import BLOCK, RUN, Pool, reduce_pool
from personagym_benchmarks.off_policy.questions import Asker, Locator
from personagym_benchmarks.off_policy.replicates import Replicates, replicates
from personagym_benchmarks.off_policy.settings import Mode, OffPolicySettings
from personagym_benchmarks.off_policy.simulator import ROWS, fitted_world, policy_values
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.core.simulate import SessionPlan
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.off_policy.board import OffPolicyBoard, PolicyLine, Study
from personagym_env.evaluation.off_policy.estimators import Sums
from personagym_env.evaluation.off_policy.situations import Situations, SlateTable
from personagym_env.logs.collect import collect
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import LoggedSessions, LogPart, open_log
from personagym_env.run_context import Bar, RunContext
from personagym_env.world import World, make_world

RECOMMENDED: Mapping[Mode, str] = {"single": "DR", "sessions": "DR"}
"""The estimator to take: right whatever its model, and with less variance than weights alone."""
SIMULATOR = "fitted simulator"
"""What stands beside the estimators."""
LOGGED = "the logging policy"
"""Among the values of policies."""
PLAYED = 20_000
"""Sessions in which a fitted simulator is asked for a value that cannot be computed."""
TIMED = 1_000_000
"""Decisions of the log on which the closed-form estimators are timed."""


def run(settings: OffPolicySettings, context: RunContext) -> OffPolicyBoard:
    """Collect, resample, estimate, compare."""
    dataset = load_dataset(settings.dataset)
    train = temporal_split(dataset.interactions).train
    studies, seconds, hashes = [], float("nan"), dict[str, str | None]()
    for users in settings.users:
        world = make_world(dataset, load(users, dataset, train))
        hashes |= user_hashes([world.agent])
        features = SlateFeatures(world)
        for mode in settings.modes:
            one = _Run(settings, context, world, users, mode, features)
            studies.append(one.study())
            if mode == "single" and settings.pool >= TIMED and np.isnan(seconds):
                seconds = one.seconds()
                context.tell(f"all closed-form estimators of {TIMED:,} decisions: {seconds:.0f} s of processor time")
    return OffPolicyBoard(
        setting=asdict(settings) | {"data_fingerprint": dataset.fingerprint()},
        environment=environment_snapshot(),
        studies=tuple(studies),
        recommended={str(mode): name for mode, name in RECOMMENDED.items()},
        goals=goals(studies, RECOMMENDED, seconds),
        seconds=seconds,
        benchmarks={
            dataset.name: Benchmark.of(dataset, hashes, known=world.train, parameters=world.parameters),
        },
    )


class _Run:
    """One kind of users in one mode."""

    def __init__(
        self,
        settings: OffPolicySettings,
        context: RunContext,
        world: World,
        users: str,
        mode: Mode,
        features: SlateFeatures,
    ) -> None:
        self.settings, self.context, self.world, self.users, self.mode = settings, context, world, users, mode
        self.steps = settings.steps(mode)
        self.logging = logging_policy(world, settings.candidates)
        self.policies = evaluation_policies(world, settings.candidates)
        situations = Situations.of(self.logging.items_, settings.slate_size, self.steps)
        self.locator = Locator(situations, features, world.profiles)
        self.table = SlateTable.of(self.logging.joint, world.profiles, situations)

    def study(self) -> Study:
        """All policies, all sizes."""
        log, askers = self._pool(), self._askers()
        truths = self._truths(askers)
        with self._bar("decisions reduced", len(log)) as bar:
            pool = reduce_pool(askers, self.locator, log.batches(), self.settings.bank, bar)
        found = self._replicates(pool, askers)
        for size, values in self._simulators(log, askers).items():
            for name, said in values.items():
                found[name][size][SIMULATOR] = _without_interval(said)
        supported = {name for name, policy in self.policies.items() if policy.retrieval is not None}
        lines = tuple(
            PolicyLine(name, *truths[name], name in supported, self._overlap(pool.policies[name].runs))
            for name in self.policies
        )
        measured = {name: Measured(truths[name][0], found[name]) for name in self.policies}
        cells, orders = aggregate(measured, supported)
        value, _ = truths[LOGGED]
        return Study(self.users, self.mode, self.logging.name, value, pool.length, lines, tuple(cells), tuple(orders))

    def seconds(self) -> float:
        """Processor time of all closed-form estimators of all policies on a log of `TIMED` decisions, from the log on.

        The log is in memory; propensities of slates that many decisions share are looked up in tables, whose making is
        part of the time; intervals are bootstrapped.
        """
        log = self._pool()
        first = LoggedSessions(log.header, tuple(_parts_of(log, TIMED)))
        batches = list(first.batches())
        begin = time.process_time()
        askers = self._askers()
        pool = reduce_pool(askers, self.locator, batches, 1)
        replicates(pool, askers, pool.n_runs * BLOCK * RUN, 1, self.settings.resamples, self.settings.seed)
        return time.process_time() - begin

    def _bar(self, what: str, total: float) -> AbstractContextManager[Bar]:
        return self.context.bar(f"{self.users}, {self.mode}: {what}", total)

    def _pool(self) -> LoggedSessions:
        """The pool of decisions, collected where it is not there yet."""
        name = f"{self.users.replace(' ', '-')}-{self.mode}-{self.steps}"
        folder = self.context.folder / "off-policy" / name
        episodes = -(-self.settings.pool // (1 if self.steps == 1 else self.steps - 1))
        with self.context.bar(f"{self.users}, {self.mode}: sessions of the pool", episodes) as bar:
            collect(
                self.logging,
                self.world,
                folder,
                episodes=episodes,
                policy_fingerprint=self.logging.fingerprint(),
                slate_size=self.settings.slate_size,
                history_length=self.steps,
                max_episode_steps=self.steps,
                seed=self.settings.seed,
                rows=min(ROWS, episodes),
                episodes_per_row=max(1, 32 // self.steps),
                workers=self.context.workers,
                progress=bar,
            )
        return open_log(folder, policy_fingerprint=self.logging.fingerprint())

    def _askers(self) -> dict[str, Asker]:
        return {name: Asker(policy, self.table, self.locator) for name, policy in self.policies.items()}

    def _truths(self, askers: Mapping[str, Asker]) -> dict[str, tuple[float, float]]:
        """Values of all policies and of the logging policy, with their standard errors."""
        n_users = self.world.train.n_users
        each = -(-self.settings.truth // n_users)
        plan = SessionPlan.draw(n_users, episodes_per_user=each, seed=self.settings.seed + 1_000_000)
        tables = {LOGGED: self.table} | {name: asker.table for name, asker in askers.items()}
        policies = {LOGGED: self.logging, **self.policies}
        return policy_values(self.world, policies, tables, plan=plan, steps=self.steps, workers=self.context.workers)

    def _replicates(self, pool: Pool, askers: Mapping[str, Asker]) -> dict[str, dict[int, dict[str, Replicates]]]:
        """What every estimator says by policy and size."""
        settings = self.settings
        found: dict[str, dict[int, dict[str, Replicates]]] = {name: {} for name in askers}
        with self._bar("logs", settings.logs * len(settings.sizes)) as bar:
            for size in settings.sizes:
                by_policy = replicates(pool, askers, size, settings.logs, settings.resamples, settings.seed, bar)
                for name, by_estimator in by_policy.items():
                    found[name][size] = by_estimator
        return found

    def _overlap(self, runs: Sums) -> float:
        """The share of the pool that a policy's weights leave."""
        carried = runs.terms["IPS" if self.steps == 1 else "PDIS"].weights
        assert carried is not None
        squares = carried.squares.sum()
        return float(carried.total.sum() ** 2 / squares / carried.count.sum()) if squares > 0 else 0.0

    def _simulators(self, log: LoggedSessions, askers: Mapping[str, Asker]) -> dict[int, dict[str, list[float]]]:
        """Values by size and policy that simulators fitted on some logs give."""
        settings = self.settings
        whole = _first(log, max(min(max(settings.sizes) * 2, len(log)), settings.bank))
        tables = {name: asker.table for name, asker in askers.items()}
        each = -(-PLAYED // self.world.train.n_users)
        plan = SessionPlan.draw(self.world.train.n_users, episodes_per_user=each, seed=settings.seed + 2_000_000)
        found: dict[int, dict[str, list[float]]] = {}
        with self._bar("simulators", settings.simulators * len(settings.sizes)) as bar:
            for size in settings.sizes:
                rng = np.random.default_rng([settings.seed, size, 1])
                for _ in range(settings.simulators):
                    chosen = rng.permutation(whole.n_episodes)[: max(1, round(size * whole.n_episodes / len(whole)))]
                    world = fitted_world(self.world, whole.episodes(np.sort(chosen)))
                    for name, (value, _) in policy_values(
                        world, self.policies, tables, plan=plan, steps=self.steps, workers=self.context.workers
                    ).items():
                        found.setdefault(size, {}).setdefault(name, []).append(value)
                    bar(1)
        return found


def _parts_of(log: LoggedSessions, decisions: int) -> Iterator[LogPart]:
    """The first parts of a log, with so many decisions at least."""
    count = 0
    for part in log.parts:
        if count >= decisions:
            return
        count += part.rows
        yield part


def _without_interval(values: list[float]) -> Replicates:
    value = np.array(values)
    nothing = np.full(len(value), np.nan)
    return Replicates(value, nothing, nothing, nothing, np.ones(len(value), np.bool_))


def _first(log: LoggedSessions, decisions: int) -> LoggedDecisions:
    """The first decisions of a log, about so many, in whole episodes."""
    kept, count = [], 0
    for batch in log.batches():
        kept.append(batch)
        count += len(batch)
        if count >= decisions:
            break
    whole = LoggedDecisions.joined(kept)
    return whole.episodes(np.arange(max(1, round(whole.n_episodes * min(1.0, decisions / len(whole))))))
