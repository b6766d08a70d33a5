"""Offline reinforcement learning: collect a log, train on it, let held-out sessions choose, deploy into PersonaRec-v0.

    python examples/offline_rl.py
    personagym leaderboard --recommender "runs/offline_rl/IQL 0.8"

Only the last step meets users; whom it sends there was decided by the log alone.
"""

from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import tyro

from personagym_benchmarks.offline_policies.promise import Promises
from personagym_env.logs.collect import collect
from personagym_env.logs.sessions import LoggedSessions, open_log
from personagym_env.protocols import Recommender
from personagym_env.run_context import RunContext
from personagym_env.world import World, make_world
from personagym_recommenders import EASE, BestRated, CandidateFeatures, ItemKNN, MostPopular
from personagym_recommenders.models.rating_models import MatrixFactorisation
from personagym_recommenders.offline.behaviour_cloning import BehaviourCloning
from personagym_recommenders.offline.cql import CQL
from personagym_recommenders.offline.iql import IQL
from personagym_recommenders.offline.training import TrainingPlan
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce


@dataclass
class Args:
    """How much to collect and to learn."""

    dataset: str = "ml-100k"
    agent: str = "mf"
    """Who reacts."""
    episodes: int = 4_000
    """Sessions to learn from."""
    held_out: int = 2_000
    """Sessions to choose by."""
    steps: int = 800
    """Gradient steps of each learner."""
    judged: int = 50
    """Sessions that the chosen policy plays."""
    output: Path = Path("runs/offline_rl")


def features() -> CandidateFeatures:
    """Candidates of each user, and what static recommenders think of them."""
    return CandidateFeatures([MostPopular(), BestRated(), ItemKNN(min_rating=4), EASE(), MatrixFactorisation()], 80)


def collected(world: World, folder: Path, episodes: int, seed: int) -> LoggedSessions:
    """A log of a recommender that leaves something to chance."""
    policy = PlackettLuce(EASE(), candidates=80).fit(world.train, world.dataset.catalogue)
    mark = policy.fingerprint()
    collect(policy, world, folder, episodes=episodes, policy_fingerprint=mark, seed=seed)
    return open_log(folder, policy_fingerprint=mark)


def deployed(policy: Recommender, world: World, sessions: int) -> float:
    """Mean return in `PersonaRec-v0`."""
    env = gym.make("personagym_env:PersonaRec-v0", dataset=world.dataset, agent=world.agent)
    returns = np.zeros(sessions)
    for session in range(sessions):
        observation, _ = env.reset(seed=session)
        over = False
        while not over:
            row = {name: np.asarray(value)[None] for name, value in observation.items()}
            slate = policy.recommend(row, 10)[0]  # type: ignore[arg-type]
            observation, reward, left, cut_off, _ = env.step(slate)
            returns[session] += float(reward)
            over = left or cut_off
    return float(returns.mean())


def main(args: Args) -> None:
    """Collect, train, choose, deploy."""
    world = make_world(args.dataset, args.agent)
    log = collected(world, args.output / "log", args.episodes, seed=0)
    held_out = collected(world, args.output / "held-out", args.held_out, seed=1_000_000)
    known = features().fit(world.train, world.dataset.catalogue)
    promises = Promises(held_out, world.profiles, known, seed=0)
    shown = held_out.read()
    print(f"the policy that wrote the log earned {shown.reward.sum() / shown.n_episodes:.2f} a session")
    promised, warnings = {}, set[str]()
    learners = {one.name: one for one in (BehaviourCloning(features()), CQL(features()), IQL(features()))}
    for name, learner in learners.items():
        plan = TrainingPlan(args.steps)
        learner.train(log, world.train, world.dataset.catalogue, plan, RunContext(args.output))
        learner.save(args.output / name)
        estimate = promises.of(learner)
        promised[name] = estimate.value.value
        warnings.add(estimate.warning)
        print(f"{name}: the log promises a return of {estimate.value}")
    print(f"Promises are a model's, to be read as an order. {' '.join(sorted(warnings))}")
    chosen = max(promised, key=lambda name: promised[name])
    print(f"{chosen} is deployed: mean return {deployed(learners[chosen], world, args.judged):.2f}")


if __name__ == "__main__":
    main(tyro.cli(Args))
