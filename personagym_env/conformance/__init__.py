"""Conformance suites of the seams: plain functions that raise AssertionError, for third parties to run."""
