"""Heuristics and models that score items."""
