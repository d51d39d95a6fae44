"""A gRPC server that does nothing: what Python's gRPC itself costs.

    python -m bench.empty_handler REPLY_BYTES

Prints its port, then answers every call of `/bench.Empty/Call` with that many zero bytes.
"""

import asyncio
import sys
from typing import Any

import grpc

METHOD = "/bench.Empty/Call"


async def main() -> None:
    """Serves until it is stopped."""
    reply = bytes(int(sys.argv[1]))

    async def call(_request: bytes, _context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        return reply

    _, service, method = METHOD.split("/")
    handlers: dict[str, Any] = {method: grpc.unary_unary_rpc_method_handler(call)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
