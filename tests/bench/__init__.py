"""Measurements: the daemon beside what a user would run instead, on the same simulated servers."""
