"""Validation: are simulated logs like real held-out logs?"""
