"""What is said to Prometheus: the catalogue, the bytes of every school's report, and the daemon's own figures."""
