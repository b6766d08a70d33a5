"""Fixtures that stand in `tests/fixtures`."""

from fixtures.bundles import make_small_bundle, shipped_small_bundle, small_bundle, small_folder
from fixtures.language_models import (
    check_exactness,
    make_language_agent,
    plain_answers,
    reference_model,
    small_data,
    small_examples,
    small_memory,
    small_split,
    small_tokenizer,
    tiny_model,
)

__all__ = [
    "check_exactness",
    "make_language_agent",
    "make_small_bundle",
    "plain_answers",
    "reference_model",
    "shipped_small_bundle",
    "small_bundle",
    "small_data",
    "small_examples",
    "small_folder",
    "small_memory",
    "small_split",
    "small_tokenizer",
    "tiny_model",
]
