"""Wishes of simulated users, held against what people did next, and followed."""
