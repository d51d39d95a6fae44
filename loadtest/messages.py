"""Requests in proto JSON as bytes, by the installed contract."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from steerrec.v1 import feature_pb2, model_pb2, preset_pb2, recommender_pb2

from loadtest.errors import LoadRefused

CONTRACT = (feature_pb2, model_pb2, preset_pb2, recommender_pb2)
"""Imported, so that their services are in the default pool."""
MOST_FAULTS = 10
"""Faulty requests named: the thousandth says no more than the tenth."""


def path_of(call: str) -> tuple[str, type[Message]]:
    """The path of a method, and the type of its requests.

    Raises:
        LoadRefused: the contract has no such method, or it streams.
    """
    service, _, name = call.replace("/", ".").rpartition(".")
    try:
        method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        remedy = "write it as steerrec.v1.RecommenderService.Recommend"
        raise LoadRefused([f'call: "{call}" is no method of the contract; {remedy}']) from None
    if _streams(method):
        raise LoadRefused([f"call: {call} streams; only calls of one answer are sent here"])
    request_type: type[Message] = GetMessageClass(method.input_type)
    return f"/{service}/{name}", request_type


def encoded(requests: Sequence[dict[str, Any]], request_type: type[Message]) -> tuple[bytes, ...]:
    """The requests, serialised.

    Raises:
        LoadRefused: some are not of that type; names the first ones.
    """
    faults: list[str] = []
    made = []
    for index, request in enumerate(requests):
        try:
            message = ParseDict(request, request_type())
        except (ParseError, ValueError, TypeError, RecursionError) as error:
            faults.append(f"data[{index}]: {error}")
            continue
        made.append(message.SerializeToString(deterministic=True))
    if faults:
        raise LoadRefused(faults[:MOST_FAULTS])
    return tuple(made)


def _streams(method: MethodDescriptor) -> bool:
    return bool(method.client_streaming or method.server_streaming)
