"""Variants of users on the fidelity board: each beside itself without its core, and what its idea says of itself."""
