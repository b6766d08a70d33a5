"""Interviews with simulated users, held against what people did next."""
