"""Classical users: rating models with an ordinal link and a choice model."""
