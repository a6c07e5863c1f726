"""What systemd and the daemon tell each other: readiness, reloads, life signs, and sockets that are handed over."""
