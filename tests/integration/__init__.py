"""Real gRPC, real Redis, real ONNX Runtime, in one process."""
