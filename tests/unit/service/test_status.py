import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from service.errors import DeadlineGone, InvalidRequest, ModelNotServed, Overloaded, Violation
from service.status import status_of
from steering.errors import InvalidRule, RulesRefused, UnknownFeature


def detail(error: Exception, kind: type[Message]) -> Message | None:
    for packed in status_of(error, "r1").details:
        unpacked = kind()
        if packed.Unpack(unpacked):
            return unpacked
    return None


def test_an_unknown_error_is_internal() -> None:
    assert status_of(KeyError("secret"), "r1").code == grpc.StatusCode.INTERNAL.value[0]


def test_an_unknown_error_tells_nothing_of_itself() -> None:
    assert "secret" not in str(status_of(KeyError("secret"), "r1"))


def test_every_refusal_names_its_reason_and_request() -> None:
    info = detail(DeadlineGone(), error_details_pb2.ErrorInfo)
    assert info == error_details_pb2.ErrorInfo(
        reason="DEADLINE_GONE", domain="steerrec", metadata={"request_id": "r1"}
    )


def test_a_bad_rule_is_named_by_its_path() -> None:
    error = RulesRefused([InvalidRule("rules[2].value", "nan"), UnknownFeature("rules[3]", "no")])
    bad = detail(error, error_details_pb2.BadRequest)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [v.field for v in bad.field_violations] == ["rules[2].value", "rules[3]"]


def test_an_overloaded_replica_says_when_to_retry() -> None:
    retry = detail(Overloaded(10), error_details_pb2.RetryInfo)
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 100


def test_what_will_fail_again_says_no_retry() -> None:
    assert detail(ModelNotServed("m", ["production"]), error_details_pb2.RetryInfo) is None


@pytest.mark.parametrize("length", [1, 10_000])
def test_many_violations_still_fit_a_header(length: int) -> None:
    error = InvalidRequest([Violation(f"rules[{i}].value", "x" * length) for i in range(512)])
    assert len(status_of(error, "r1").SerializeToString()) < 5500


def test_violations_that_do_not_fit_are_counted() -> None:
    error = InvalidRequest([Violation("k", "x" * 400) for _ in range(20)])
    bad = detail(error, error_details_pb2.BadRequest)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert bad.field_violations[-1].description == "and 13 more"
