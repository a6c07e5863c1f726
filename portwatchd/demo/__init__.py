"""Simulated schools on loopback, and the real daemon on them."""
