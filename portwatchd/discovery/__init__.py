"""Owns which schools are found elsewhere: lists in Prometheus' formats, watched, and not trusted blindly."""
