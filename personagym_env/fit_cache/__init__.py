"""Fits that are kept in the user's cache folder, so that the next process need not fit them again."""
