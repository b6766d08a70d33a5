"""The comparison of policies: what learners earn beyond static recommenders, with the same random draws."""
