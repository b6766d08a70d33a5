"""Two or a few recommenders compared, with one verdict for each pair."""
