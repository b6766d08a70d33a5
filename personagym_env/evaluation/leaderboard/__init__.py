"""The leaderboard: recommenders ranked by simulated users, beside held-out real behaviour."""
