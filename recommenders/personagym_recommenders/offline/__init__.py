"""Policies learned from a collected log alone: behaviour cloning, conservative Q-learning, implicit Q-learning."""
