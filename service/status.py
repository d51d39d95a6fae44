"""The one table from error to gRPC status; docs/errors.md lists it.

What is not in the table is INTERNAL with the request's id and no inner text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from service import errors
from service.errors import Violation
from service.presets import errors as preset_errors
from steering.errors import RuleConflict, RulesRefused

DOMAIN = "steerrec"
"""Of every ErrorInfo."""
MAX_MESSAGE = 500
MAX_VIOLATIONS_BYTES = 3000
"""Details travel in a header, and gRPC refuses more than 8 KiB of those altogether."""
RETRY_AFTER_S = 0.1
"""What an overloaded replica asks of its callers: about a few runs of the model."""
DRAIN_RETRY_AFTER_S = 0.5
"""What a replica that drains asks: longer than it lingers (`server.LINGER_S`), so that a caller
who keeps the pause comes back to another replica, or to this one gone, and is never cut off."""
STORE_RETRY_AFTER_S = 1.0
"""What callers are asked while Redis, or the store of bundles, is away."""


class Answer(NamedTuple):
    """What a caller gets for one kind of error."""

    code: grpc.StatusCode
    """gRPC status."""
    reason: str
    """Of the ErrorInfo: stable, for programs."""
    retry_after_s: float | None = None
    """Of the RetryInfo; None: the same call will fail again."""


TABLE: Mapping[type[Exception], Answer] = {
    errors.InvalidRequest: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    RulesRefused: Answer(grpc.StatusCode.INVALID_ARGUMENT, "RULES_REFUSED"),
    RuleConflict: Answer(grpc.StatusCode.INVALID_ARGUMENT, "RULE_CONFLICT"),
    errors.ModelNotServed: Answer(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_SERVED"),
    errors.ModelStoreAway: Answer(
        grpc.StatusCode.UNAVAILABLE, "MODEL_STORE_AWAY", STORE_RETRY_AFTER_S
    ),
    errors.PresetNotInForce: Answer(grpc.StatusCode.NOT_FOUND, "PRESET_NOT_IN_FORCE"),
    errors.FeatureNotFound: Answer(grpc.StatusCode.NOT_FOUND, "FEATURE_NOT_FOUND"),
    errors.GroupNotFound: Answer(grpc.StatusCode.NOT_FOUND, "GROUP_NOT_FOUND"),
    errors.PresetNotHonoured: Answer(grpc.StatusCode.FAILED_PRECONDITION, "PRESET_NOT_HONOURED"),
    preset_errors.PresetMissing: Answer(grpc.StatusCode.NOT_FOUND, "PRESET_MISSING"),
    preset_errors.PresetExists: Answer(grpc.StatusCode.ALREADY_EXISTS, "PRESET_EXISTS"),
    preset_errors.EtagMismatch: Answer(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"),
    preset_errors.NotADraft: Answer(grpc.StatusCode.FAILED_PRECONDITION, "NOT_A_DRAFT"),
    preset_errors.NeverInForce: Answer(grpc.StatusCode.FAILED_PRECONDITION, "NEVER_IN_FORCE"),
    preset_errors.AlreadyInForce: Answer(grpc.StatusCode.FAILED_PRECONDITION, "ALREADY_IN_FORCE"),
    preset_errors.TooManyDrafts: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_DRAFTS"),
    preset_errors.TooManyDefaults: Answer(grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_DEFAULTS"),
    preset_errors.ChainContended: Answer(
        grpc.StatusCode.UNAVAILABLE, "CHAIN_CONTENDED", RETRY_AFTER_S
    ),
    preset_errors.StoreUnavailable: Answer(
        grpc.StatusCode.UNAVAILABLE, "PRESET_STORE_UNAVAILABLE", STORE_RETRY_AFTER_S
    ),
    preset_errors.StoreRefuses: Answer(grpc.StatusCode.FAILED_PRECONDITION, "PRESET_STORE_REFUSES"),
    preset_errors.StoreLostData: Answer(grpc.StatusCode.FAILED_PRECONDITION, "STORE_LOST_DATA"),
    preset_errors.NothingLost: Answer(grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_LOST"),
    preset_errors.NothingKept: Answer(grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_KEPT"),
    preset_errors.RecordCorrupt: Answer(grpc.StatusCode.FAILED_PRECONDITION, "RECORD_UNREADABLE"),
    errors.Overloaded: Answer(grpc.StatusCode.UNAVAILABLE, "OVERLOADED", RETRY_AFTER_S),
    errors.Draining: Answer(grpc.StatusCode.UNAVAILABLE, "DRAINING", DRAIN_RETRY_AFTER_S),
    errors.DecisionLogOff: Answer(grpc.StatusCode.FAILED_PRECONDITION, "DECISION_LOG_OFF"),
    errors.DecisionLogAway: Answer(
        grpc.StatusCode.UNAVAILABLE, "DECISION_LOG_AWAY", STORE_RETRY_AFTER_S
    ),
    errors.DecisionLogRefuses: Answer(grpc.StatusCode.FAILED_PRECONDITION, "DECISION_LOG_REFUSES"),
    errors.DecisionMissing: Answer(grpc.StatusCode.NOT_FOUND, "DECISION_MISSING"),
    errors.DecisionUnreadable: Answer(grpc.StatusCode.FAILED_PRECONDITION, "DECISION_UNREADABLE"),
    errors.ReplayImpossible: Answer(grpc.StatusCode.FAILED_PRECONDITION, "REPLAY_IMPOSSIBLE"),
    errors.NoHistories: Answer(grpc.StatusCode.FAILED_PRECONDITION, "NO_HISTORIES"),
    errors.PublishRefused: Answer(grpc.StatusCode.FAILED_PRECONDITION, "PUBLISH_REFUSED"),
    errors.DeadlineGone: Answer(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_GONE"),
    errors.DeadlineTooNear: Answer(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_NEAR"),
}
"""The nearest class of an error's own ancestry counts."""
UNKNOWN = Answer(grpc.StatusCode.INTERNAL, "INTERNAL")


def answer_to(error: Exception) -> Answer:
    """What the table says of an error; UNKNOWN where it says nothing."""
    return answer_to_kind(type(error))


def answer_to_kind(kind: type[Exception]) -> Answer:
    """What the table says of errors of a kind; UNKNOWN where it says nothing."""
    return next((TABLE[own] for own in kind.__mro__ if own in TABLE), UNKNOWN)


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """The rich status that a caller gets for an error."""
    answer = answer_to(error)
    text = str(error) if answer is not UNKNOWN else "an internal error; the log has its cause"
    return status_pb2.Status(
        code=answer.code.value[0],
        message=_shortened(text, MAX_MESSAGE),
        details=[_packed(detail) for detail in _details(error, answer, request_id)],
    )


def violations_of(error: Exception) -> tuple[Violation, ...]:
    """The fields of the request that an error is about."""
    match error:
        case errors.InvalidRequest(violations=violations):
            return violations
        case RulesRefused(faults=faults):
            return tuple(Violation(fault.field, fault.message) for fault in faults)
        case errors.PublishRefused(field=field, violations=reasons):
            return tuple(Violation(field, reason) for reason in reasons)
        case (
            RuleConflict(field=field, message=message)
            | errors.PresetNotInForce(field=field, message=message)
            | errors.PresetNotHonoured(field=field, message=message)
        ):
            return (Violation(field, message),)
        case _:
            return ()


def _details(error: Exception, answer: Answer, request_id: str) -> Iterable[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=answer.reason,
        domain=DOMAIN,
        metadata={"request_id": request_id} | _facts(error),
    )
    if violations := violations_of(error):
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
                for field, message in _fitting(violations)
            ]
        )
    if answer.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(answer.retry_after_s * 1000))
        yield retry


def _facts(error: Exception) -> dict[str, str]:
    """What a program may want to know of an error beside its fields."""
    match error:
        case preset_errors.EtagMismatch(revision=revision, active=active, last=last):
            numbers = {"newest_revision": str(revision), "revision_in_force": str(active)}
            return numbers | _last_write(last)
        case preset_errors.StoreUnavailable(fault=fault):
            return {"cause": fault.cause.value}
        case _:
            return {}


def _last_write(last: preset_errors.LastWrite | None) -> dict[str, str]:
    if last is None:
        return {}
    return {
        "written": last.by,
        "changed_by": last.author,
        "change": last.action,
        "changed_revision": str(last.revision),
        "changed_at": last.time.isoformat(timespec="seconds"),
    }


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _fitting(violations: Sequence[Violation]) -> Iterable[Violation]:
    """As many violations as a header has room for; the last one counts the others."""
    left = MAX_VIOLATIONS_BYTES
    for i, (field, message) in enumerate(violations):
        shortened = Violation(field, _shortened(message, MAX_MESSAGE))
        left -= sum(len(part.encode()) for part in shortened)
        if left < 0:
            yield Violation("", f"and {len(violations) - i} more")
            return
        yield shortened


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
