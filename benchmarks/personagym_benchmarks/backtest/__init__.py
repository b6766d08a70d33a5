"""Past A/B tests replayed with simulated users."""
