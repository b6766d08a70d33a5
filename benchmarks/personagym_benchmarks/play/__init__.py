"""A seat in the simulation: as the recommender, as the user, or watching."""
