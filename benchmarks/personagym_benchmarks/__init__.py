"""The wiring: studies that need users and recommenders, and the command line `personagym`."""
