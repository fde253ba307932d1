"""The coordinator process: ledger, gRPC services, router feed."""
