"""What is served over HTTP: metrics, the API, service discovery, health, and a page for people."""
