"""Refusals made once are those that the table makes each time."""

from base64 import b64decode

import pytest
from google.rpc import error_details_pb2, status_pb2
from hpack import Decoder

from service.errors import DeadlineGone, Draining, InvalidRequest, Overloaded, Violation
from service.rpc.interceptor import refusal_of
from service.rpc.refusals import Refusals
from service.wire.metadata import refusal_block

METHOD = "/steerrec.v1.RecommenderService/Recommend"
ALIKE = [Overloaded(1024), Overloaded(7), Draining(), DeadlineGone()]
IDS = ["0123456789abcdef", "ffffffffffffffff", "a caller's own id", "é" * 16, "short"]


def fields(block: bytes) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in Decoder().decode(block)]


@pytest.mark.parametrize("request_id", IDS)
@pytest.mark.parametrize("error", [*ALIKE, InvalidRequest([Violation("k", "0 is too small")])])
def test_a_refusal_is_what_the_table_makes_of_the_error(error: Exception, request_id: str) -> None:
    own = Refusals(METHOD)
    own.of(error, "fedcba9876543210")  # what is made once has another id
    table = refusal_of(METHOD, error, request_id)
    meant = refusal_block(table.code.value[0], table.details, table.metadata)
    assert fields(own.of(error, request_id).block) == fields(meant)


def test_two_refusals_of_a_kind_with_other_texts_keep_their_texts() -> None:
    own = Refusals(METHOD)
    messages = [
        dict(fields(own.of(Overloaded(count), IDS[0]).block))["grpc-message"] for count in (1, 2)
    ]
    assert messages == [str(Overloaded(count)) for count in (1, 2)]


def test_the_rich_status_names_the_call() -> None:
    own = Refusals(METHOD).of(Overloaded(3), IDS[0])
    raw = dict(Decoder().decode(own.block, raw=True))[b"grpc-status-details-bin"]
    status = status_pb2.Status.FromString(b64decode(raw + b"=="))
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert info.metadata["request_id"] == IDS[0]
