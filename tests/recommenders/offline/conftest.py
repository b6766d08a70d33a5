"""A log of a small world, in several parts."""

from fixtures.small_logs import collected

__all__ = ["collected"]
