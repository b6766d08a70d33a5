"""Past A/B tests replayed: who was predicted to win, who won, and how far predicted probabilities can be trusted."""
