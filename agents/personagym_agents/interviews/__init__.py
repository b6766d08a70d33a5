"""Conversations with users: what they say comes from their document and log, and is held against their numbers."""
