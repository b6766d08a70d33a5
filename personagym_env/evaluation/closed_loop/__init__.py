"""Closed loops: what becomes of a recommender that is refitted on what it showed, round after round."""
