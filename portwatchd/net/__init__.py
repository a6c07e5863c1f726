"""The only owner of sockets: connecting, TLS, names, hop probes, and the clock."""
