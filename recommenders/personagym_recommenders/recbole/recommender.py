"""Any RecBole model that a log of ratings can train, by name, as a recommender."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import sparse

from personagym_env.data.tables import Catalogue, FloatArray, Interactions
from personagym_env.protocols import Observation
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.memory import require_memory, size_of
from personagym_recommenders.recbole.models import find_recbole, model_type, refuse_untrainable
from personagym_recommenders.recbole.network import DATASET, Network
from personagym_recommenders.recbole.process import contained_recbole
from personagym_recommenders.recbole.training_data import session_sequences, write_training_files
from personagym_recommenders.recommender_file import Learned

SEARCH_EPOCHS = 100
"""Epochs that the search for the best number of epochs tries at most."""


class RecBole(ScoringRecommender):
    """A RecBole model, trained on every training row as a positive (no ratings, no test rows).

    General and context-aware models score users as they are at the end of the training log: their scores are computed
    once, kept as a (u, m) table, and the network is dropped. Sequential models keep the network and read the user's
    training sequence followed by the session's items, so their slates follow the session.

    Models that a log of ratings cannot train are refused when the recommender is made, see `models.REFUSED`. Users who
    have every item teach a model that is not sequential nothing, since no other item can be set against theirs: their
    rows are left out.

    Args:
        model: RecBole's name of the model, for example BPR, LightGCN, NeuMF, SASRec, GRU4Rec.
        epochs: training epochs over all rows. None searches: train on each user's first 90 % of rows, take the number
            of epochs with the best NDCG@10 on the rest, then train anew on all rows for so many.
        seed: of RecBole's initialisation, shuffling and negative sampling.
        gpu: train on the GPU.
        config: further RecBole options (learning_rate, train_batch_size, embedding_size, ...), as far as JSON goes.
        progress: called with (epochs done, epochs at most) after each epoch; not saved.
    """

    def __init__(
        self,
        model: str,
        epochs: int | None = None,
        seed: int = 0,
        gpu: bool = False,
        config: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        refuse_untrainable(model)
        if epochs is not None and epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {epochs}")
        self.model = model
        self.epochs = epochs
        self.seed = seed
        self.gpu = gpu
        self.config = dict(config or {})
        self.progress = progress

    @property
    def name(self) -> str:
        """RecBole's name of the model."""
        return self.model

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Train the model.

        Raises:
            ImportError: RecBole is not installed.
            ValueError: the model does not exist, its scores would not fit into memory, or there is nothing to learn.
        """
        self.__dict__.pop("table_", None)
        self._genres = catalogue.genres
        self._log = log if model_type(self.model) == "sequential" else self._teaching(log)
        with contained_recbole(), TemporaryDirectory() as folder:
            write_training_files(self._log, self._genres, Path(folder) / DATASET)
            epochs = self._search(folder) if self.epochs is None else self.epochs
            options = {**self._options(folder), "epochs": epochs}
            self._network = Network(self.model, options, self._log)
            self._network.train(self.progress)
            if not self._network.sequential:
                self.table_ = self._network.score_users(log.n_users)
                del self._network, self._log, self._genres

    def _teaching(self, log: Interactions) -> Interactions:
        """The rows that a model learns from which is not sequential, if its scores find room.

        Raises:
            ValueError: they do not, or nobody has both an item and a lack of one.
        """
        size = size_of((log.n_users, log.n_items), np.dtype(np.float32).itemsize)
        what = f"the table of {self.name}'s scores for {log.n_users:,} users and {log.n_items:,} items"
        require_memory(what, size, "take a sequential model, which keeps its network, or fewer users")
        counts = np.diff(self.seen_.indptr)
        rows = log.take(counts[log.users] < log.n_items)
        if not len(rows):
            raise ValueError(f"{self.name} cannot learn from {log!r}: every user who has an item has all of them")
        return rows

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) the model's scores."""
        if hasattr(self, "table_"):
            return self.table_[observation["user"]]
        sequences = session_sequences(self._log, observation, self._network.max_length)
        with contained_recbole():
            return self._network.score_sequences(observation["user"], sequences)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments by name, but for `progress`."""
        return {name: value for name, value in super().settings().items() if name != "progress"}

    def learned(self) -> Learned:
        """The table of scores, or the log and the network's weights for a sequential model."""
        learned = super().learned()
        if not hasattr(self, "table_"):
            log = self._log
            learned |= {"log/users": log.users, "log/items": log.items, "log/ratings": log.ratings}
            learned |= {"log/scale": np.asarray(log.scale), "genres": self._genres}
            learned |= {f"weight/{name}": value for name, value in self._network.weights().items()}
        return learned

    def restore(self, learned: Learned) -> None:
        """Take back what `learned` gave; a sequential model's network is built again, which needs RecBole."""
        arrays = {name: value for name, value in learned.items() if not sparse.issparse(value)}
        super().restore({name: value for name, value in learned.items() if name.endswith("_")})
        if "table_" in learned:
            return
        find_recbole()
        n_users, n_items = self.seen_.shape
        self._log = Interactions(
            arrays["log/users"], arrays["log/items"], arrays["log/ratings"], None, n_users, n_items,
            tuple(float(value) for value in arrays["log/scale"]),
        )  # fmt: skip
        self._genres = np.asarray(arrays["genres"], np.bool_)
        weights = {name.removeprefix("weight/"): value for name, value in arrays.items() if name.startswith("weight/")}
        with contained_recbole(), TemporaryDirectory() as folder:
            write_training_files(self._log, self._genres, Path(folder) / DATASET)
            self._network = Network(self.model, {**self._options(folder), "epochs": 1}, self._log)
            self._network.set_weights(weights)

    def _search(self, folder: str) -> int:
        """The number of epochs that does best on each user's last 10 % of rows."""
        split = {"split": {"RS": [0.9, 0.1, 0.0]}, "order": "TO", "group_by": "user", "mode": "full"}
        options = {**self._options(folder), "epochs": SEARCH_EPOCHS, "eval_args": split}
        return Network(self.model, options, self._log).train(self.progress)

    def _options(self, folder: str) -> dict[str, Any]:
        return {
            "data_path": folder,
            "checkpoint_dir": str(Path(folder) / "saved"),
            "seed": self.seed,
            "use_gpu": self.gpu,
            "gpu_id": os.environ.get("CUDA_VISIBLE_DEVICES", "0") if self.gpu else "",
            "show_progress": False,
            "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "TO", "group_by": "user", "mode": "full"},
            "metrics": ["NDCG"],
            "topk": [10],
            "valid_metric": "NDCG@10",
            "eval_step": 2,
            "stopping_step": 4,
            "threshold": None,
            **self.config,
        }
