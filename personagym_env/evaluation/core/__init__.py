"""What all studies share: statistics over users, offline metrics, simulated sessions, closed pools, results on disk."""
