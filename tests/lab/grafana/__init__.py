"""The dashboards before a real Prometheus: of the real daemon, and of 5,000 schools."""
