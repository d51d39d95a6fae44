"""Whatever a caller sends, it is answered or refused with field and reason; never INTERNAL."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st
from steerrec.v1 import recommender_pb2_grpc

from model_store.store import Store
from service.rpc.surface import SERVICES
from tests.fuzzing import bounded
from tests.integration.asking import detail, request
from tests.integration.fuzzed import messages_of, running, settings_of

OURS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED)
"""What no caller can cause."""
TIMEOUT_S = 20
METHODS = [
    method
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service).methods
]


@pytest.fixture(scope="module")
def channel(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """To a replica that all tests of this file share."""
    with running(settings_of(tiny_store, tmp_path_factory.mktemp("data"))) as own:
        yield own


def replies(channel: grpc.Channel, method: MethodDescriptor, sent: bytes) -> list[Any]:
    """Everything that a call of these bytes is answered with."""
    service = method.containing_service.full_name
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    read = GetMessageClass(method.output_type).FromString
    call: Callable[..., Any] = kind(f"/{service}/{method.name}", response_deserializer=read)
    answer = call(sent, timeout=TIMEOUT_S)
    return list(answer) if method.server_streaming else [answer]


def check(channel: grpc.Channel, method: MethodDescriptor, sent: bytes) -> None:
    """The call is answered, or refused with a reason and the fields at fault; others go on."""
    try:
        replies(channel, method, sent)
    except grpc.RpcError as error:
        check_refusal(error)
    plain = recommender_pb2_grpc.RecommenderServiceStub(channel).Recommend(request())
    assert len(plain.items) == 10


def check_refusal(error: Any) -> None:
    """It is the caller's, and says what to do."""
    assert error.code() not in OURS, error.details()
    assert detail(error, error_details_pb2.ErrorInfo).reason
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        assert detail(error, error_details_pb2.BadRequest).field_violations


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_any_message_is_answered_or_refused_with_a_reason(
    channel: grpc.Channel, method: MethodDescriptor
) -> None:
    @bounded(15)
    @given(message=messages_of(method.input_type))
    def fuzz(message: Message) -> None:
        check(channel, method, message.SerializeToString())

    fuzz()


@bounded(60)
@given(data=st.data(), method=st.sampled_from(METHODS))
def test_mutated_bytes_are_answered_or_refused_with_a_reason(
    channel: grpc.Channel, data: st.DataObject, method: MethodDescriptor
) -> None:
    message: Any = data.draw(messages_of(method.input_type))
    sent = bytearray(message.SerializeToString())
    for at in data.draw(st.lists(st.integers(0, max(0, len(sent) - 1)), max_size=3)):
        sent[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    check(channel, method, bytes(sent))
