"""Server reflection that stock ghz and grpcurl can use.

ghz asks for the file that contains a *method's* symbol; Python's descriptor pool finds services
but not their methods, and the call would fail with "Symbol not found".
"""

from collections.abc import Callable
from typing import Any, cast

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

V1 = "grpc.reflection.v1.ServerReflection"
"""The name that newer clients ask for; its messages are those of v1alpha on the wire."""


class MethodAwarePool:
    """The default pool, which also finds a method's file: that of its service."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """The file that declares the symbol.

        Raises:
            KeyError: nothing of that name, be it message, service or method.
        """
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            if method not in found.methods_by_name:
                raise
            return found.file

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)


def add_reflection(services: tuple[str, ...], server: Any, pool: DescriptorPool) -> None:
    """Lets clients read the contract of these services, and of reflection itself."""
    aware = cast("DescriptorPool", MethodAwarePool(pool))
    names = (*services, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names, aware)
    add: Callable[[Any, Any], None] = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
    add(servicer, server)
    server.add_generic_rpc_handlers((_v1_handler(names, aware),))


def _v1_handler(names: tuple[str, ...], pool: DescriptorPool) -> grpc.GenericRpcHandler:
    """The same servicer under the name of v1."""
    servicer = reflection.aio.ReflectionServicer(names, pool)
    info = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": info})
