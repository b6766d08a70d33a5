"""What can be asked of a model and its adapters."""

from typing import Literal

Targets = Literal["all-linear", "query-key"]
"""Layers that get adapters: every linear layer below the head, or the attention's query and key projections alone."""
