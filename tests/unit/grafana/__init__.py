"""The dashboards as files: what needs no Prometheus and no Grafana to be tested."""
