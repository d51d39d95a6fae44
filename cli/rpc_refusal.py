"""A refused call as sentences: status, message, each field at fault, request id."""

import os
from collections.abc import Iterator
from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from cli.errors import CallRefused
from cli.exit_code import ExitCode
from cli.unanswered import proxy_remark, unreachable_text

EXIT_CODES = {
    grpc.StatusCode.UNAVAILABLE: ExitCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND: ExitCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: ExitCode.CONFLICT,
    grpc.StatusCode.ABORTED: ExitCode.CONFLICT,
}
"""Every other status is REFUSED."""

Detail = TypeVar("Detail", bound=Message)


def refusal(error: grpc.RpcError, address: str) -> CallRefused:
    """What ends the command for an error of a call to `address`."""
    call = cast("grpc.Call", error)  # every RpcError of a stub is one
    code, status = call.code(), rpc_status.from_call(call)
    lines = [f"{code.name}: {call.details()}"]
    if status is not None:
        lines += _detail_lines(status)
    elif code is grpc.StatusCode.UNAVAILABLE:
        details = call.details() or ""
        lines = [f"UNAVAILABLE: {unreachable_text(address, details, os.environ)}"]
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        late = f"no answer from {address} in time; --timeout gives it more"
        lines = [f"DEADLINE_EXCEEDED: {late}{proxy_remark(address, os.environ)}"]
    return _refused(lines, code)


def refused_result(status: status_pb2.Status) -> CallRefused:
    """What ends the command for one refused request of a batch."""
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    return _refused([f"{code.name}: {status.message}", *_detail_lines(status)], code)


def _refused(lines: list[str], code: grpc.StatusCode) -> CallRefused:
    return CallRefused(lines, code.name, EXIT_CODES.get(code, ExitCode.REFUSED))


def _detail_lines(status: status_pb2.Status) -> Iterator[str]:
    for request in _unpacked(status, error_details_pb2.BadRequest):
        for violation in request.field_violations:
            yield f"  {violation.field}: {violation.description}"
    for retry in _unpacked(status, error_details_pb2.RetryInfo):
        yield f"  try again in {retry.retry_delay.ToMilliseconds() / 1000:g} s"
    for info in _unpacked(status, error_details_pb2.ErrorInfo):
        if request_id := info.metadata.get("request_id"):
            yield f"  request id {request_id}"


def _unpacked(status: status_pb2.Status, kind: type[Detail]) -> Iterator[Detail]:
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            yield detail
