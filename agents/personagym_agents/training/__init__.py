"""Training of bases and adapters."""
