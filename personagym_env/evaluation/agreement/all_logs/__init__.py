"""Agreement on many logs: one board for each, and what they say together."""
