"""A user as a document: its words, its profile, its tokens, its length."""
