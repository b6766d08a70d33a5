"""Recommenders that draw their slates, and say with which propensity."""
