"""The fidelity board: how true simulated users are to held-out people."""
