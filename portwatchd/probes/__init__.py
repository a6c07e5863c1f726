"""Probes: one question to one port, put as its RFC says, answered by facts that others judge."""
