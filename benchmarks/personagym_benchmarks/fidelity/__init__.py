"""The fidelity board: users beside floors on held-out behaviour."""
