"""What every long-running process shares: data directory, TLS channels and servers, signals."""
