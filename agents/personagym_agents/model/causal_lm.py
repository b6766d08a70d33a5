"""The causal language model of the users: made from a configuration or loaded by name, asked for answers only."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from personagym_agents.documents.tokenizer import Answers
from personagym_agents.model.added_rows import MOST_FIELDS, load_added_rows, spell_tokens
from personagym_agents.model.hub import is_here
from personagym_agents.model.named_bases import dequantised, is_named, read_source, source_folder
from personagym_agents.model.packing import Packed
from personagym_agents.model.quiet import quietly

MAX_TOKENS = 1024
"""Positions of the bundled model."""
_SAMPLES = ("Heat; 1995; 4", "Alien; 1979; 5")
"""Lines that a tokenizer must tell apart."""
_MOST_ADDED = 256
"""Tokens that a tokenizer may have beyond those of its model, such as one for padding."""
LARGE = 2**25
"""Parameters from which on a model is held in half precision by processors that multiply it fast."""


def small_model(vocabulary: int, *, width: int = 128, layers: int = 3, heads: int = 4) -> LlamaForCausalLM:
    """A Llama-architecture model small enough to train and run on a laptop, from random weights."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config)


@contextmanager
def checkpointed(model: PreTrainedModel) -> Iterator[None]:
    """In training, layers keep their inputs alone, and compute the rest again when gradients are due.

    Memory for activations falls to that of one layer, for a third more work (Chen et al. 2016); gradients are the same.

    Raises:
        ValueError: the architecture does not support it.
    """
    with warnings.catch_warnings():
        # The name that all supported versions of `transformers` know is deprecated in the latest.
        warnings.filterwarnings("ignore", message="`gradient_checkpointing_", category=FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})  # type: ignore[no-untyped-call]
        # Only the reentrant kind needs embeddings that require gradients where the base is frozen.
        model.disable_input_require_grads()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`gradient_checkpointing_", category=FutureWarning)
            model.gradient_checkpointing_disable()  # type: ignore[no-untyped-call]


def chosen_device(name: str | None) -> torch.device:
    """The device of a name, as `torch` has it; None takes a GPU if there is one.

    Raises:
        ValueError: there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"no device {name!r} here: expected 'cpu', or a GPU such as 'cuda' ({reason})") from error


def multiplies_halves(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster there than in single precision: five times as fast on a processor."""
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()


def frozen_precision(parameters: int, device: torch.device) -> torch.dtype:
    """Of the weights of a model that stay as they are, by its parameters and the device."""
    if device.type == "cuda" or (parameters >= LARGE and multiplies_halves(device)):
        return torch.bfloat16
    return torch.float32


def place_on(model: PreTrainedModel, device: torch.device) -> None:
    """Move a model whose weights stay as they are to a device, in the precision that suits it.

    Only weights: of rotary frequencies, which are buffers, half precision would leave nothing at far positions.
    """
    model.to(device)  # type: ignore[arg-type]
    precision = frozen_precision(model.num_parameters(), device)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(precision)


def load_base(name: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal LM in single precision and its tokenizer; weights from safetensors alone, and no code is run.

    Args:
        name: a name out of `named_bases.PACKAGED`, a path of a GGUF file, what `transformers` finds a model by, or a
            bundle's folder that names its base in the place of weights.

    Raises:
        ValueError: there is no such model, or it lacks weights or a tokenizer that fits it.
        ImportError: the reader of GGUF files is not installed.
    """
    if is_named(name):
        name = dequantised(str(name))[0]
    named = read_source(Path(name))
    weights = name if named is None else source_folder(named)
    here = is_here(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, local_files_only=here)
        with quietly():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                weights,
                trust_remote_code=False,
                local_files_only=here,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # whatever the library makes of files that are something else
        told = str(error).strip().split("\n")[0]
        raise ValueError(f"{_expected(name)}, got {type(error).__name__}: {told}") from error
    model, report = loaded
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ValueError(f"{_expected(name)}, got a model without {len(missing)} of them, such as {missing[0]}")
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in _SAMPLES]
    strange = not all(ids) or len({tuple(some) for some in ids}) < len(ids)
    most_added = _MOST_ADDED if named is None else MOST_FIELDS
    if strange or len(tokenizer) > model.config.vocab_size + most_added:
        raise ValueError(
            f"{_expected(name)}, got a tokenizer of {len(tokenizer)} tokens that writes {_SAMPLES[0]!r} as {ids[0]}, "
            f"and a model of {model.config.vocab_size}: put the tokenizer's files beside the model's"
        )
    if named is not None:
        load_added_rows(Path(name), model, tokenizer)
    return model, tokenizer


def _expected(name: str | Path) -> str:
    return f"base {str(name)!r}: expected a causal language model with weights in safetensors and its tokenizer"


def spell_answers(model: PreTrainedModel, answers: Answers) -> None:
    """Spell the answer tokens that were added just now; without any nothing happens."""
    spell_tokens(model, answers.ids[: len(answers.spelled)], answers.spelled)


def decoder_of(model: PreTrainedModel) -> torch.nn.Module:
    """The model below its language-modelling head, with whatever adapters were injected into it."""
    return model.base_model


def hidden_states(model: PreTrainedModel, packed: Packed, *, dropout: float = 0.0) -> torch.Tensor:
    """(b, L, d) last hidden states of packed sequences; `dropout` applies to the embeddings."""
    embedded = model.get_input_embeddings()(packed.tokens)
    embedded = torch.nn.functional.dropout(embedded, dropout, training=dropout > 0)
    outputs = decoder_of(model)(
        inputs_embeds=embedded,
        attention_mask=packed.mask(embedded.dtype),
        position_ids=packed.positions,
        use_cache=False,
    )
    hidden: torch.Tensor = outputs.last_hidden_state
    return hidden


def answer_logits(model: PreTrainedModel, hidden: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """(..., 1 + r) logits of the answer tokens alone, skip first.

    Args:
        model: the causal LM whose head is read.
        hidden: (..., d) last hidden states where an answer is due.
        answers: (1 + r,) token ids of the answers.
    """
    head: torch.nn.Linear = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    # Where embeddings of other tokens are trained, the head stands behind a layer that would write all rows anew.
    head = getattr(head, "original_module", head)
    bias = getattr(head, "bias", None)
    # In single precision, whatever the weights are in: a bfloat16 logit has two and a half digits.
    shift = None if bias is None else bias[answers].float()
    return torch.nn.functional.linear(hidden.float(), head.weight[answers].float(), shift)
