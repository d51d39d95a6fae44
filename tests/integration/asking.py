"""Requests and refusals, as integration tests write them."""

from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from steerrec.v1 import recommender_pb2, rule_pb2

HISTORY = ("i3", "i7", "i11", "i16")


def request(*rules: rule_pb2.Rule, **fields: Any) -> recommender_pb2.RecommendRequest:
    """A request with a known history; fields by name."""
    return recommender_pb2.RecommendRequest(rules=rules, **({"history": HISTORY} | fields))


def add(feature_index: int = 0, value: float = 0.25, **fields: Any) -> rule_pb2.Rule:
    """An ADD on one feature, small enough for no limit to cut it."""
    return rule_pb2.Rule(
        feature_index=feature_index, operation=rule_pb2.OPERATION_ADD, value=value, **fields
    )


def scale(feature_index: int, value: float) -> rule_pb2.Rule:
    """A SCALE of one feature."""
    return rule_pb2.Rule(
        feature_index=feature_index, operation=rule_pb2.OPERATION_SCALE, value=value
    )


def add_genre(genre: str, value: float) -> rule_pb2.Rule:
    """An ADD on a genre's group."""
    attribute = rule_pb2.Attribute(name="genre", value=genre)
    return rule_pb2.Rule(attribute=attribute, operation=rule_pb2.OPERATION_ADD, value=value)


def preset(name: str, revision: int | None = None) -> recommender_pb2.PresetReference:
    """A preset by name."""
    return recommender_pb2.PresetReference(name=name, revision=revision)


def ids(response: recommender_pb2.RecommendResponse) -> list[str]:
    """Item ids of the slate, best first."""
    return [item.item_id for item in response.items]


def scores(response: recommender_pb2.RecommendResponse) -> list[float]:
    """Scores of the slate, best first."""
    return [item.score for item in response.items]


def reasons(response: recommender_pb2.RecommendResponse) -> list[str]:
    """Short names of the degraded reasons."""
    names = (recommender_pb2.DegradedReason.Name(own.reason) for own in response.degraded)
    return [name.removeprefix("DEGRADED_REASON_") for name in names]


def statuses(response: recommender_pb2.RecommendResponse) -> list[str]:
    """Short names of the rules' statuses."""
    names = (rule_pb2.RuleStatus.Name(report.status) for report in response.rule_reports)
    return [name.removeprefix("RULE_STATUS_") for name in names]


async def refusal(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value


def detail(error: grpc.aio.AioRpcError, kind: type[Message]) -> Any:
    """The rich detail of one kind; None: the error has none."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for packed in status.details if status else ():
        unpacked = kind()
        if packed.Unpack(unpacked):
            return unpacked
    return None


def reason(error: grpc.aio.AioRpcError) -> str:
    """Of the ErrorInfo."""
    return str(detail(error, error_details_pb2.ErrorInfo).reason)


def fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Paths of the BadRequest."""
    bad = detail(error, error_details_pb2.BadRequest)
    return [violation.field for violation in bad.field_violations] if bad else []
