"""The checkers, with made-up histories: each anomaly must be found, and what is right must pass."""
