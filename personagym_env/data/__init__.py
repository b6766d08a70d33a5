"""Tables of items, users and ratings, their readers, splits and traits."""
