"""Collaborative filtering in numpy and scipy, once for the classical users, the recommenders and the memory."""
