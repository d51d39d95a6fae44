"""Real gRPC, real Redis, real ONNX Runtime, in one process."""

import os

# Before grpc is imported: its handlers would run in the forked child of every embedded
# redis-server that starts while this process has served before, and now and then abort it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
