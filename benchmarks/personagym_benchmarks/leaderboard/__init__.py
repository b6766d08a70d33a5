"""The leaderboard: recommenders judged by simulated users."""
