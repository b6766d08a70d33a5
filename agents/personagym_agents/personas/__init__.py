"""Personas: groups of similar users."""
