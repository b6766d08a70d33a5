"""Models that `transformers` finds by name: a folder here, or one of the Hugging Face hub, perhaps kept from before."""

from pathlib import Path

from huggingface_hub import HfApi, try_to_load_from_cache

from personagym_agents.model.named_bases import PACKAGED

_PATIENCE = 10.0
"""Seconds that the hub has for one answer."""


def is_here(name: str | Path) -> bool:
    """Whether a model can be loaded without the hub; the hub is asked at once whether it knows any other.

    `transformers` would ask it for one file after the other, and wait a minute where nothing answers.

    Raises:
        ValueError: there is no such model here, and the hub does not answer or has none of that name.
    """
    if Path(name).exists():
        return True
    try:
        HfApi().model_info(str(name), timeout=_PATIENCE)
    except Exception as error:  # of whichever library speaks to the hub
        if _is_kept(str(name)):
            return True
        told = str(error).strip().split("\n")[0]
        raise ValueError(
            f"base {str(name)!r}: expected {', '.join(map(repr, PACKAGED))}, a folder or a GGUF file here, or a model "
            f"of the Hugging Face hub; there is no such folder, and of the hub came {type(error).__name__}: {told}"
        ) from error
    return False


def _is_kept(name: str) -> bool:
    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except ValueError:  # no name that the hub could have
        return False
