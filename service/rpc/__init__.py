"""The gRPC surface: one servicer per service of the contract, one interceptor around them all."""
