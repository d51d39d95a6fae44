"""Server reflection as stock clients use it: all is read from the server, no stub is ours."""

from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2

VERSIONS = ("v1alpha", "v1")
"""Older clients ask for the one, newer ones for the other first."""


class Reflected:
    """One reflection stream, and what was read over it."""

    def __init__(self, channel: grpc.Channel, version: str) -> None:
        self._channel = channel
        self._info: grpc.StreamStreamMultiCallable[
            reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
        ] = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )

    def ask(self, **question: Any) -> reflection_pb2.ServerReflectionResponse:
        """The answer to one question."""
        (answer,) = self._info(iter([reflection_pb2.ServerReflectionRequest(**question)]))
        return answer

    def services(self) -> set[str]:
        """Names of all services (`grpcurl list`)."""
        return {own.name for own in self.ask(list_services="").list_services_response.service}

    def call(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """Calls a method, written `package.Service.Method`, as ghz does: by the method's symbol."""
        pool = descriptor_pool.DescriptorPool()
        for file in self._with_imports(self.ask(file_containing_symbol=method)):
            pool.Add(file)
        service, _, name = method.rpartition(".")
        found = pool.FindServiceByName(service).methods_by_name[name]
        ask, answer = GetMessageClass(found.input_type), GetMessageClass(found.output_type)
        call = self._channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=ask.SerializeToString,
            response_deserializer=answer.FromString,
        )
        reply = call(ParseDict(request, ask(), descriptor_pool=pool))
        return MessageToDict(reply, preserving_proto_field_name=True, descriptor_pool=pool)

    def _with_imports(
        self, answer: reflection_pb2.ServerReflectionResponse
    ) -> Iterator[descriptor_pb2.FileDescriptorProto]:
        """The files of an answer, each after what it imports, as far as the server gives them."""
        seen: set[str] = set()

        def read(
            given: reflection_pb2.ServerReflectionResponse,
        ) -> Iterator[descriptor_pb2.FileDescriptorProto]:
            assert not given.HasField("error_response"), given.error_response.error_message
            for data in given.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(data)
                for name in file.dependency:
                    if name not in seen:
                        yield from read(self.ask(file_by_filename=name))
                if file.name not in seen:
                    seen.add(file.name)
                    yield file

        yield from read(answer)
