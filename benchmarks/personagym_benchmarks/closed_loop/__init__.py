"""The closed loop: deploy, log, refit, with the users of a world."""
