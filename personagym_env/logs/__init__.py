"""Logs of decisions with their propensities, from simulated users or from a service: what offline learning reads."""
