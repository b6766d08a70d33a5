"""One RecBole model with its data: trained, and asked for scores. No RecBole or torch type leaves this file."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import IntArray, Interactions
from personagym_env.protocols import NO_ITEM

DATASET = "log"
"""Name of the files that a model is trained on."""
_BLOCK = 256
"""Sequences that are scored at once."""
_PAIRS = 2**17
"""Pairs of user and item that are scored at once."""


class _Ids(NamedTuple):
    """RecBole's numbers of the internal ids; its 0 is padding."""

    users: IntArray
    items: IntArray


class Network:
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
        if hasattr(self._module, "cor_batch_size"):
            # DGCF draws as many users as items for one of its losses, and gives up where there are not so many.
            self._module.cor_batch_size = min(log.n_users, log.n_items, self._module.cor_batch_size)
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
        # Some models look a target up, and negatives of the sequence, for a loss that nobody asks for here; the scores
        # are the same whatever stands there.
        columns |= {"item_id": np.ones(len(users), np.int64), "neg_item_id_list": padded}
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
    probe = make(model, DATASET, config_dict={**options, "train_neg_sample_args": None})
    kind = probe["MODEL_TYPE"].name
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
    return make(model, DATASET, config_dict={**defaults, **options})
