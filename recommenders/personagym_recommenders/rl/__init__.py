"""Policies of reinforcement learning: actions, environments, Stable-Baselines3."""
