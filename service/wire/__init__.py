"""Our own gRPC server: HTTP/2 below, calls above (ADR 0018)."""
