"""Off-policy estimators against the truth.

`personagym off-policy` collects a pool of decisions from simulated users, resamples hundreds of logs of every size
from it, and lets every estimator say what each of some fifteen policies would have earned. The simulator knows: values
of opening slates are computed, those of sessions are played a million times. Beside the estimators stands a simulator
that is fitted on the log and asked.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from personagym_agents import load
from personagym_benchmarks.off_policy.aggregate import Measured, aggregate, goals
from personagym_benchmarks.off_policy.features import SlateFeatures
from personagym_benchmarks.off_policy.policies import evaluation_policies, logging_policy
from personagym_benchmarks.off_policy.questions import Asker, OpeningAsker, SessionAsker
from personagym_benchmarks.off_policy.replicates import Replicates, reduce_pool, replicates
from personagym_benchmarks.off_policy.settings import Mode, OffPolicySettings
from personagym_benchmarks.off_policy.simulator import fitted_world, opening_value, simulated_values
from personagym_env.benchmark import Benchmark, user_hashes
from personagym_env.data.sources import load_dataset
from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.off_policy.board import OffPolicyBoard, PolicyLine, Study
from personagym_env.evaluation.off_policy.estimates import judge_all
from personagym_env.evaluation.off_policy.terms import GROUPS, random_groups
from personagym_env.logs.collect import collect
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import LoggedSessions, open_log
from personagym_env.run_context import RunContext
from personagym_env.world import World, make_world
from personagym_recommenders.stochastic.options import ScoredOptions

RECOMMENDED: Mapping[Mode, str] = {"single": "DR", "sessions": "DR"}
"""The estimator to take: right whatever its model, and with less variance than weights alone."""
SIMULATOR = "fitted simulator"
"""What stands beside the estimators."""
ROWS = 4_096
"""Sessions side by side; these users answer from tables."""
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
        self.features, self.steps = features, settings.steps(mode)
        self.logging = logging_policy(world, settings.candidates)
        self.policies = evaluation_policies(world, settings.candidates)

    def study(self) -> Study:
        """All policies, all sizes."""
        log = self._pool()
        measured, lines = {}, []
        simulated = self._simulators(log)
        with self.context.bar(f"{self.users}, {self.mode}: policies", len(self.policies)) as bar:
            for name, policy in self.policies.items():
                truth, error = self._truth(policy)
                found, overlap = self._replicates(log, policy)
                for size, values in simulated.items():
                    found.setdefault(size, {})[SIMULATOR] = _without_interval(values[name])
                measured[name] = Measured(truth, found)
                supported = policy.retrieval is not None
                lines.append(PolicyLine(name, truth, error, supported, overlap))
                bar(1)
        cells, orders = aggregate(measured, {line.name for line in lines if line.supported})
        value, _ = self._truth(self.logging)
        decisions = len(log) / sum(batch.n_episodes for batch in log.batches())
        return Study(
            self.users, self.mode, self.logging.name, value, decisions, tuple(lines), tuple(cells), tuple(orders)
        )

    def seconds(self) -> float:
        """Processor time of all closed-form estimators of all policies on a log of `TIMED` decisions.

        Propensities of slates that many decisions share are looked up; intervals are bootstrapped.
        """
        log = _first(self._pool(), TIMED)
        rng = np.random.default_rng(self.settings.seed)
        begin = time.process_time()
        group = random_groups(log.n_episodes, rng)
        weights = user_resamples(min(GROUPS, log.n_episodes), self.settings.resamples, rng)
        for policy in self.policies.values():
            one = self._asker(policy).ask(log).sums(group, weights.shape[1])
            judge_all(one.modelled(), one.slates, np.ones(weights.shape[1]), weights)
        return time.process_time() - begin

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
                progress=bar,
            )
        return open_log(folder, policy_fingerprint=self.logging.fingerprint())

    def _asker(self, policy: ScoredOptions) -> Asker:
        if self.mode == "single":
            return OpeningAsker(policy, self.logging, self.features, self.world.profiles, self.settings.slate_size)
        return SessionAsker(policy, self.features, self.world.profiles, self.steps)

    def _truth(self, policy: ScoredOptions) -> tuple[float, float]:
        """A policy's value, and its standard error."""
        k = self.settings.slate_size
        if self.steps == 1:
            return opening_value(self.world, policy, k), 0.0
        n_users = self.world.train.n_users
        plan = SessionPlan.draw(
            n_users, episodes_per_user=-(-self.settings.truth // n_users), seed=self.settings.seed + 1_000_000
        )
        returns = simulate(
            policy, self.world, plan, slate_size=k, max_episode_steps=self.steps, history_length=self.steps, rows=ROWS
        ).returns
        return float(returns.mean()), float(returns.std() / np.sqrt(len(returns)))

    def _replicates(self, log: LoggedSessions, policy: ScoredOptions) -> tuple[dict[int, dict[str, Replicates]], float]:
        """What every estimator says of a policy by size, and the share of the pool that its weights leave."""
        settings = self.settings
        pool = reduce_pool(self._asker(policy), log.batches(), settings.bank)
        found = {
            size: replicates(pool, size, settings.logs, settings.resamples, settings.seed) for size in settings.sizes
        }
        carried = pool.blocks.terms["IPS" if self.steps == 1 else "PDIS"].weights
        assert carried is not None
        squares = carried.squares.sum()
        share = carried.total.sum() ** 2 / squares / carried.count.sum() if squares > 0 else 0.0
        return found, float(share)

    def _simulators(self, log: LoggedSessions) -> dict[int, dict[str, list[float]]]:
        """Values by size and policy that simulators fitted on some logs give."""
        settings = self.settings
        whole = _first(log, max(min(max(settings.sizes) * 2, len(log)), settings.bank))
        found: dict[int, dict[str, list[float]]] = {}
        with self.context.bar(f"{self.users}, {self.mode}: simulators", len(settings.sizes)) as bar:
            for size in settings.sizes:
                rng = np.random.default_rng([settings.seed, size, 1])
                for _ in range(settings.simulators):
                    chosen = rng.permutation(whole.n_episodes)[: max(1, round(size * whole.n_episodes / len(whole)))]
                    world = fitted_world(self.world, whole.episodes(np.sort(chosen)))
                    values = simulated_values(
                        world, self.policies, k=settings.slate_size, steps=self.steps, seed=settings.seed + 2_000_000
                    )
                    for name, value in values.items():
                        found.setdefault(size, {}).setdefault(name, []).append(value)
                bar(1)
        return found


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
