"""What a person and a Prometheus see of a daemon over HTTP: status page, metrics, health. Needs the extra `http`."""
