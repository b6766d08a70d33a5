"""The causal language model and its adapters."""
