"""Users of logs that their base has never read, beside users that are fitted there."""
