"""Rows of the embeddings of tokens that were added to a base's own: how they begin, and where a bundle keeps them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_FIELDS = 1024
"""Tokens that may be added for fields of documents."""
_FILE = "added_tokens.safetensors"


def tables_of(model: PreTrainedModel) -> list[torch.Tensor]:
    """The embeddings, and the head's weights and shift where it has its own."""
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()  # type: ignore[no-untyped-call]
    tables = [embeddings.weight, *([] if head.weight is embeddings.weight else [head.weight])]
    return tables if getattr(head, "bias", None) is None else [*tables, head.bias]


@torch.no_grad()
def spell_tokens(model: PreTrainedModel, ids: Sequence[int], spelled: Sequence[Sequence[int]]) -> None:
    """Give each added token the mean of the embeddings, and of the head's rows, of the tokens that spell it.

    Rows that are all alike would leave all fields and answers alike.

    Args:
        model: a causal LM whose vocabulary has room for the tokens.
        ids: (n,) of them.
        spelled: (n,) tokens that spell each.
    """
    for table in tables_of(model):
        for token, segments in zip(ids, spelled, strict=True):
            table[token] = table[list(segments)].mean(dim=0)


def save_added_rows(folder: Path, model: PreTrainedModel, first: int, end: int) -> None:
    """Write the rows of tokens `first` to `end`, by which a base is more than what its name stands for."""
    tables = enumerate(tables_of(model))
    save_file({str(place): table.detach()[first:end].half().contiguous() for place, table in tables}, folder / _FILE)


@torch.no_grad()
def load_added_rows(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make room for the tokens of a tokenizer, and give those that were added the rows that a bundle keeps of them.

    Raises:
        ValueError: the rows are missing, damaged or of another base.
    """
    path = folder / _FILE
    if not path.is_file():
        return
    try:
        kept = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if len(tokenizer) > model.config.vocab_size:
        resize(model, len(tokenizer))
    end = len(tokenizer)
    for place, table in enumerate(tables_of(model)):
        rows = kept.get(str(place))
        if rows is None or rows.shape[1:] != table.shape[1:] or len(rows) > end:
            found = None if rows is None else tuple(rows.shape)
            raise ValueError(f"{path} holds rows of another base: expected (n, *{tuple(table.shape[1:])}), got {found}")
        table[end - len(rows) : end] = rows.to(table.dtype)


def resize(model: PreTrainedModel, tokens: int) -> None:
    """Make room for so many tokens; new rows begin as zeros."""
    model.resize_token_embeddings(tokens, mean_resizing=False)
    assert isinstance(model.get_input_embeddings(), nn.Embedding)
