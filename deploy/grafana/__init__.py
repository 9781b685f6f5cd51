"""The Grafana dashboards: written in `src`, kept as JSON in `dashboards`."""
