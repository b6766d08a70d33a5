"""Off-policy estimators against the truth that a simulator knows, and on real logs."""
