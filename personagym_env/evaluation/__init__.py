"""Measures of recommenders: offline metrics, simulated value, closed-pool real value and their agreement."""
