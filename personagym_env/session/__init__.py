"""Session dynamics: what happens between showing a slate and the user's leaving."""
