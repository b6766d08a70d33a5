"""Loading and saving of models without what is of use to nobody."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as hf_logging


@contextmanager
def quietly() -> Iterator[None]:
    """Without progress bars that are meant for gigabytes, and without a warning that users can do nothing about.

    `peft` asks `transformers` for a property by a name that is deprecated there.
    """
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
            )
            yield
    finally:
        if shown:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
