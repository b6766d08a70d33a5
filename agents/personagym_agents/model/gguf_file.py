"""A causal language model out of a GGUF file, its quantised weights as numbers again."""

from importlib.util import find_spec
from pathlib import Path

from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from personagym_agents.model.quiet import quietly

_NEEDS = "reading GGUF files needs the package gguf: pip install 'personagym[slm]'"


def save_dequantised(file: Path, name: str, folder: Path) -> None:
    """Write a GGUF file as `transformers` saves a causal LM and its tokenizer, the weights in half precision.

    Raises:
        ImportError: the reader is not installed.
        ValueError: the file holds no causal language model of an architecture that `transformers` knows.
    """
    if find_spec("gguf") is None:
        raise ImportError(_NEEDS)
    where, named = str(file.parent), {"gguf_file": file.name}
    try:
        with quietly():
            tokenizer = AutoTokenizer.from_pretrained(where, **named)
            loaded = AutoModelForCausalLM.from_pretrained(where, **named)
    except Exception as error:  # whatever the library makes of files that are something else
        told = str(error).strip().split("\n")[0]
        raise ValueError(
            f"base {name!r}: expected a causal language model in a GGUF file, got {type(error).__name__}: {told}"
        ) from error
    # The configuration that was read forbids to save what is quantised no more.
    config = {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))  # type: ignore[no-untyped-call]
    model.load_state_dict(loaded.state_dict())
    with quietly():
        model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
