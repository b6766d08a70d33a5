"""Control populations and probes of what a base knows."""
