"""What a training log says about sessions, as estimates with intervals."""
