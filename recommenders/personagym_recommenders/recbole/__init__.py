"""RecBole models as recommenders."""
