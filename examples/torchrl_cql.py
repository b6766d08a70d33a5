"""Another library's learner on an exported log: torchrl's discrete CQL reads Minari, its policy comes back and plays.

    python examples/torchrl_cql.py

From the export to the trained network nothing of this project takes part: Minari loads, torchrl learns. torchrl takes
one action for each decision, so slates have one item. `ActionValues` brings the network back as a recommender.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minari
import numpy as np
import torch
import tyro
from tensordict import TensorDict
from torch import nn
from torchrl.data import LazyTensorStorage, ReplayBuffer
from torchrl.modules import QValueActor
from torchrl.objectives import DiscreteCQLLoss, SoftUpdate

from personagym_env.data.tables import Catalogue, FloatArray, Interactions
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.logs.collect import collect
from personagym_env.logs.export import export_minari
from personagym_env.logs.sessions import open_log
from personagym_env.protocols import Observation, Recommender
from personagym_env.world import make_world
from personagym_recommenders import EASE
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce


@dataclass
class Args:
    """How much to collect and to learn."""

    dataset: str = "ml-100k"
    agent: str = "mf"
    """Who reacts."""
    episodes: int = 1_500
    """Sessions to learn from; Minari keeps a folder for each."""
    steps: int = 1_500
    """Gradient steps."""
    batch: int = 256
    width: int = 64
    conservatism: float = 0.3
    """Weight of the penalty on values of items that the log did not show."""
    judged: int = 300
    """Sessions that both policies play."""
    output: Path = Path("runs/torchrl_cql")


def situation(observation: Any, n_items: int) -> torch.Tensor:
    """(n, f + m + 1) float32: profile, mean rating so far, and which items the session has consumed."""
    items, ratings = np.asarray(observation["history_items"]), np.asarray(observation["history_ratings"])
    consumed = np.zeros((len(items), n_items), np.float32)
    rows, places = np.nonzero(items >= 0)
    consumed[rows, items[rows, places]] = 1
    mean = ratings.sum(axis=1, keepdims=True) / np.maximum((items >= 0).sum(axis=1, keepdims=True), 1)
    parts = np.asarray(observation["profile"], np.float32), mean.astype(np.float32), consumed
    return torch.from_numpy(np.concatenate(parts, axis=1))


class ActionValues(ScoringRecommender):
    """A network of action values as a recommender: the items of highest value that the user has not consumed."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Nothing: the network has learned already; `fit` keeps what users have consumed."""

    @torch.no_grad()
    def score(self, observation: Observation) -> FloatArray:
        """(n, m) values."""
        values: FloatArray = self.network(situation(observation, self.seen_.shape[1])).double().numpy()
        return values.round(5)  # late digits depend on the batch


def transitions(data: minari.MinariDataset) -> TensorDict:
    """All decisions of a Minari data set of slates of one item, as torchrl names their parts."""
    n_items = int(data.action_space.nvec[0])
    parts = []
    for episode in data.iterate_episodes():
        seen = situation(episode.observations, n_items)  # one more than there are decisions
        ended = torch.from_numpy(episode.terminations)[:, None]
        following = TensorDict(
            {
                "observation": seen[1:],
                "reward": torch.from_numpy(episode.rewards.astype(np.float32))[:, None],
                "terminated": ended,
                "done": ended | torch.from_numpy(episode.truncations)[:, None],
            },
            batch_size=len(episode.rewards),
        )
        action = torch.from_numpy(episode.actions[:, 0])
        parts.append(TensorDict({"observation": seen[:-1], "action": action, "next": following}, len(action)))
    return torch.cat(parts)


def learn(data: minari.MinariDataset, args: Args) -> nn.Module:
    """The network that torchrl's CQL learns."""
    torch.manual_seed(0)
    rows = transitions(data)
    buffer = ReplayBuffer(storage=LazyTensorStorage(len(rows)), batch_size=args.batch)
    buffer.extend(rows)
    n_items = int(data.action_space.nvec[0])
    n_inputs = rows["observation"].shape[1]
    network = nn.Sequential(nn.Linear(n_inputs, args.width), nn.ReLU(), nn.Linear(args.width, n_items))
    actor = QValueActor(network, in_keys=["observation"], action_space="categorical")
    loss = DiscreteCQLLoss(actor, action_space="categorical")
    loss.make_value_estimator(gamma=0.9)
    target = SoftUpdate(loss, eps=0.98)
    optimiser = torch.optim.Adam(loss.parameters(), 1e-3)
    for _ in range(args.steps):
        found = loss(buffer.sample())
        total = found["loss_qvalue"] + args.conservatism * found["loss_cql"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        target.step()
    return network


def main(args: Args) -> None:
    """Collect, export, let torchrl learn, play."""
    os.environ.setdefault("MINARI_DATASETS_PATH", str((args.output / "minari").resolve()))  # Minari wants a whole path
    world = make_world(args.dataset, args.agent)
    logging = PlackettLuce(EASE(), candidates=80).fit(world.train, world.dataset.catalogue)
    folder, mark = args.output / "log", logging.fingerprint()
    collect(logging, world, folder, episodes=args.episodes, policy_fingerprint=mark, slate_size=1)
    name = f"personagym/{world.dataset.name}-{mark[:12]}-{args.episodes}-v0"
    if name not in minari.list_local_datasets():
        export_minari(open_log(folder, policy_fingerprint=mark), name, world)
    learned = ActionValues(learn(minari.load_dataset(name), args)).fit(world.train, world.dataset.catalogue)
    policies: dict[str, Recommender] = {"logging policy": logging, "torchrl CQL": learned}
    plan = SessionPlan.draw(world.train.n_users, users=min(args.judged, world.train.n_users), seed=1_000_000)
    played = {name: simulate(policy, world, plan, slate_size=1).returns for name, policy in policies.items()}
    for name, returns in played.items():
        print(f"{name}: mean return {returns.mean():.2f}")
    gap = played["torchrl CQL"] - played["logging policy"]
    print(f"difference {gap.mean():.2f}, standard error {gap.std(ddof=1) / np.sqrt(len(gap)):.2f}")


if __name__ == "__main__":
    main(tyro.cli(Args))
