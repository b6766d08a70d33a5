"""What PersonaGym judges: heuristics, item-kNN, EASE, RecBole models, and a user's own."""
