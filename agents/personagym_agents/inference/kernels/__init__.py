"""Kernels compiled by Numba."""
