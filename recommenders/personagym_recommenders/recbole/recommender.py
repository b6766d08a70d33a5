"""Any RecBole model, by name, as a recommender; no RecBole or torch type leaves this file.

RecBole 1.2.1 expects an older NumPy and SciPy, reads `sys.argv`, seeds everybody's random numbers, hides GPUs from the
process and writes into the working directory. `contained_recbole` gives it what it expects and takes all of it back
afterwards; it changes the process while it is open, so do not train in several threads at once.
"""

import importlib
import importlib.util
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import NO_ITEM, Observation
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.recbole.training_data import session_sequences, write_training_files
from personagym_recommenders.storage import Learned

INSTALL_LINES = "pip install --no-deps recbole==1.2.1\npip install personagym[recbole]"
"""How to install RecBole; its own metadata pins an old Ray that only its tuner needs."""
SEARCH_EPOCHS = 100
"""Epochs that the search for the best number of epochs tries at most."""

_LOG = "log"
_BLOCK = 256
"""Sequences that are scored at once."""
_PAIRS = 2**17
"""Pairs of user and item that are scored at once."""
_ALIASES: Mapping[str, Any] = {
    "bool8": np.bool_, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "long": np.int_,
    "bool": np.bool_, "int": np.int_, "float": np.float64, "complex": np.complex128, "object": np.object_,
    "str": np.str_, "unicode": np.str_,
}  # fmt: skip
_UNSUPPORTED = {"KNOWLEDGE": "a knowledge graph", "DECISIONTREE": "labelled rows with features"}


def find_recbole() -> Path:
    """The folder of the installed `recbole` package, found without importing it.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    spec = importlib.util.find_spec("recbole")
    if spec is None or spec.origin is None:
        raise ImportError(f"this recommender needs RecBole, which is not installed. Install it with\n{INSTALL_LINES}")
    return Path(spec.origin).parent


def has_model(name: str) -> bool:
    """Whether the installed RecBole has a model of this name (its spelling counts)."""
    return name.isalnum() and (find_recbole() / "properties" / "model" / f"{name}.yaml").is_file()


class RecBole(ScoringRecommender):
    """A RecBole model, trained on every training row as a positive (no ratings, no test rows).

    General and context-aware models score users as they are at the end of the training log: their scores are computed
    once, kept as a (u, m) table, and the network is dropped. Sequential models keep the network and read the user's
    training sequence followed by the session's items, so their slates follow the session.

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
            ValueError: the model does not exist, or needs data that a log does not have.
        """
        if not has_model(self.model):
            raise ValueError(f"RecBole has no model {self.model!r}")
        self._log, self._genres = log, catalogue.genres
        with contained_recbole(), TemporaryDirectory() as folder:
            write_training_files(log, catalogue.genres, Path(folder) / _LOG)
            epochs = self._search(folder) if self.epochs is None else self.epochs
            options = {**self._options(folder), "epochs": epochs}
            self._network = _Network(self.model, options, log)
            self._network.train(self.progress)
            if not self._network.sequential:
                self.table_ = self._network.score_users(log.n_users)
                del self._network, self._log, self._genres

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
            write_training_files(self._log, self._genres, Path(folder) / _LOG)
            self._network = _Network(self.model, {**self._options(folder), "epochs": 1}, self._log)
            self._network.set_weights(weights)

    def _search(self, folder: str) -> int:
        """The number of epochs that does best on each user's last 10 % of rows."""
        split = {"split": {"RS": [0.9, 0.1, 0.0]}, "order": "TO", "group_by": "user", "mode": "full"}
        options = {**self._options(folder), "epochs": SEARCH_EPOCHS, "eval_args": split}
        return _Network(self.model, options, self._log).train(self.progress)

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


class _Ids(NamedTuple):
    """RecBole's numbers of the internal ids; its 0 is padding."""

    users: IntArray
    items: IntArray


class _Network:
    """One RecBole model with its data; use it inside `contained_recbole` only."""

    def __init__(self, model: str, options: Mapping[str, Any], log: Interactions) -> None:
        tools, loaders = _recbole("utils"), _recbole("data.utils")
        self._config = config = _make_config(model, options)
        tools.init_seed(config["seed"], config["reproducibility"])
        data = loaders.create_dataset(config)
        parts = data.build()
        # Padding has no features; RecBole makes 0 of that, but under pandas 3 it ends as the smallest integer.
        for column in data.item_feat.interaction.values():
            column.clamp_(min=0)
        samplers = loaders.create_samplers(config, data, parts)
        self._train_data = loaders.get_dataloader(config, "train")(
            config, parts[0], samplers[0], shuffle=config["shuffle"]
        )
        validated = len(parts[1]) > 0
        self._valid_data = loaders.get_dataloader(config, "valid")(config, parts[1], samplers[1]) if validated else None
        self._data = parts[0]
        tokens = (np.arange(size).astype(str) for size in (log.n_users, log.n_items))
        self._ids = _Ids(data.token2id("user_id", next(tokens)), data.token2id("item_id", next(tokens)))
        self._module = tools.get_model(model)(config, parts[0]).to(config["device"])
        self.sequential = config["MODEL_TYPE"].name == "SEQUENTIAL"
        self.max_length = int(config["MAX_ITEM_LIST_LENGTH"])

    def train(self, progress: Callable[[int, int], None] | None) -> int:
        """Train for the configured epochs, or until validation stops it; the best epoch, counted from 1."""
        make_trainer = _recbole("utils").get_trainer
        trainer = make_trainer(self._config["MODEL_TYPE"], self._config["model"])(self._config, self._module)
        run_epoch, done = trainer._train_epoch, 0

        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            loss = run_epoch(*args, **kwargs)
            done += 1
            if progress is not None:
                progress(done, trainer.epochs)
            return loss

        scores: dict[int, float] = {}
        trainer._train_epoch = counted
        trainer.fit(self._train_data, self._valid_data, verbose=False, saved=False, callback_fn=scores.__setitem__)
        return max(scores, key=scores.__getitem__) + 1 if scores else trainer.epochs

    def score_users(self, n_users: int) -> npt.NDArray[np.float32]:
        """(u, m) scores of all users and items."""
        import torch

        make_rows = _recbole("data.interaction").Interaction
        step = max(1, _PAIRS // len(self._ids.items))
        blocks = np.array_split(self._ids.users, range(step, n_users, step))
        field = self._data.uid_field
        users = (self._data.join(make_rows({field: torch.as_tensor(block)})) for block in blocks)
        return np.concatenate([self._score(rows) for rows in users])

    def score_sequences(self, users: IntArray, sequences: IntArray) -> npt.NDArray[np.float32]:
        """(n, m) scores of the items as what comes after the sequences (n, length)."""
        import torch

        make_rows = _recbole("data.interaction").Interaction
        padded = np.where(sequences == NO_ITEM, 0, self._ids.items[sequences])
        # An empty sequence is one step of padding: RecBole's models look up the state at place length - 1.
        lengths = np.maximum((sequences != NO_ITEM).sum(axis=1), 1)
        columns = {"user_id": self._ids.users[users], "item_id_list": padded, "item_length": lengths}
        blocks = range(0, len(users), _BLOCK)
        parts = ({name: torch.as_tensor(column[i : i + _BLOCK]) for name, column in columns.items()} for i in blocks)
        scores = [self._score(make_rows(part)) for part in parts]
        return np.concatenate(scores) if scores else np.zeros((0, len(self._ids.items)), np.float32)

    def weights(self) -> dict[str, npt.NDArray[Any]]:
        """The network's parameters and buffers by name."""
        return {name: tensor.cpu().numpy() for name, tensor in self._module.state_dict().items()}

    def set_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what `weights` gave."""
        import torch

        self._module.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})

    def _score(self, rows: Any) -> npt.NDArray[np.float32]:
        """(b, m) scores of all items for b rows, as `recbole.trainer.Trainer` gets them for its own evaluation."""
        import torch

        self._module.eval()
        with torch.no_grad():
            rows = rows.to(self._config["device"])
            try:
                scores = self._module.full_sort_predict(rows)
            except NotImplementedError:
                items = self._data.get_item_feature().to(self._config["device"])
                pairs = rows.repeat_interleave(len(items))
                pairs.update(items.repeat(len(rows)))
                scores = self._module.predict(pairs)
            table = scores.view(len(rows), -1).float().cpu().numpy()
        return np.asarray(table[:, self._ids.items])


def _recbole(module: str) -> Any:
    """One of RecBole's modules, untyped as it is."""
    return importlib.import_module(f"recbole.{module}")


def _make_config(model: str, options: Mapping[str, Any]) -> Any:
    """RecBole's configuration, with what follows from the model filled in where the options are silent."""
    make = _recbole("config").Config
    # Without negative sampling every model's configuration is accepted, so its type can be asked for.
    probe = make(model, _LOG, config_dict={**options, "train_neg_sample_args": None})
    kind = probe["MODEL_TYPE"].name
    if kind in _UNSUPPORTED:
        raise ValueError(f"RecBole's {model} needs {_UNSUPPORTED[kind]}, which a log of ratings does not have")
    defaults: dict[str, Any] = {"repeatable": kind == "SEQUENTIAL"}
    if kind == "SEQUENTIAL" and probe["loss_type"] == "CE":
        defaults["train_neg_sample_args"] = None
    else:
        defaults["train_neg_sample_args"] = {"distribution": "uniform", "sample_num": 1}
    features = ["class"] if kind == "CONTEXT" or probe["selected_features"] else []
    columns = ["user_id", "item_id", "timestamp"] if kind == "SEQUENTIAL" else None
    defaults["load_col"] = {
        "inter": columns or ["user_id", "item_id", "rating", "timestamp"],
        "user": ["user_id"],
        "item": ["item_id", *features],
    }
    # Columns that order the rows are no features; carrying them along makes every batch slower.
    defaults["unused_col"] = {"inter": ["timestamp", "timestamp_list"] if columns else ["rating", "timestamp"]}
    return make(model, _LOG, config_dict={**defaults, **options})


class _NoBoard:
    """Stands in for a TensorBoard writer, which would write into the working directory."""

    def add_scalar(self, *args: Any) -> None:
        """Drop it."""

    def add_hparams(self, *args: Any) -> None:
        """Drop it."""


@contextmanager
def contained_recbole() -> Iterator[None]:
    """Everything RecBole expects of the process, taken back on leaving."""
    import torch

    kept = {name: vars(np)[name] for name in _ALIASES if name in vars(np)}
    disabled = logging.root.manager.disable
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global state that RecBole seeds
    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic
    with (
        warnings.catch_warnings(),
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", sys.argv[:1] or [""]),
        mock.patch.object(sparse.dok_matrix, "_update", _dok_update, create=True),
        torch.random.fork_rng(),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        for name, alias in _ALIASES.items():
            setattr(np, name, alias)
        try:
            with mock.patch("recbole.trainer.trainer.get_tensorboard", return_value=_NoBoard()):
                yield
        except ModuleNotFoundError as error:
            raise ImportError(f"RecBole lacks {error.name}. Install it with\n{INSTALL_LINES}") from error
        finally:
            for name in _ALIASES:
                delattr(np, name)
            for name, value in kept.items():
                setattr(np, name, value)
            logging.disable(disabled)
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            cudnn.benchmark, cudnn.deterministic = flags


def _dok_update(matrix: Any, data: Mapping[tuple[int, int], float]) -> None:
    """What SciPy's `dok_matrix._update` was before 1.13: set entries without checks."""
    matrix._dict.update(data)
