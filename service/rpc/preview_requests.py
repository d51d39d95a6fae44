"""What requests to PreviewService may hold, as the preview needs it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from google.protobuf.struct_pb2 import Struct
from steerrec.v1 import decision_pb2, preset_pb2, preview_pb2

from service.errors import InvalidRequest, Violation
from service.presets.compiled import Bench
from service.presets.record import PresetRevision
from service.presets.targeting import checked_targeting
from service.preview.run import History
from service.query import MAX_CONTEXT_BYTES, MAX_HISTORY, MAX_K
from service.rpc.preset_requests import (
    content_violations,
    name_violations,
    refuse_if,
    revision_violations,
    rules_of,
)

MAX_HISTORIES = 10_000
DEFAULT_RECORDED = 1000
DEFAULT_K = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check(request: preview_pb2.PreviewPresetRequest) -> None:
    """Raises InvalidRequest with every field that breaks the contract, but for the draft's."""
    refuse_if(
        [
            *_subject_violations(request),
            *_histories_violations(request),
            *_context_violations(request.context, "context"),
            *_number_violations(request),
        ]
    )


def moment_of(request: preview_pb2.PreviewPresetRequest) -> datetime:
    """When schedules are read; now where the request does not say."""
    if not request.HasField("as_of_time"):
        return datetime.now(UTC)
    try:
        return request.as_of_time.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest([Violation("as_of_time", f"is no moment: {error}")]) from None


def draft_of(message: preset_pb2.Preset, bench: Bench) -> PresetRevision:
    """The draft as revision 0, checked as a write would be.

    Raises:
        InvalidRequest, RulesRefused, RuleConflict: what is wrong with it, by paths under `draft`.
    """
    refuse_if(name_violations(message.name, "draft.name"))
    types = bench.context_types
    targeting = checked_targeting(
        message.targeting, types.compile, types.fault_of_key, "draft.targeting"
    )
    rules = rules_of(message, "draft")
    names_features = any(isinstance(rule.target, int) for rule in rules)
    own_space = bench.feature_space if names_features else ""
    draft = PresetRevision(
        name=message.name,
        description=message.description,
        rules=rules,
        feature_space=message.feature_space or own_space,
        revision=0,
        author="",
        reason="",
        create_time=EPOCH,
        update_time=EPOCH,
        targeting=targeting if message.HasField("targeting") else None,
    )
    refuse_if(
        Violation(own.field.replace("preset", "draft", 1), own.message)
        for own in content_violations(draft)
    )
    bench.checked(draft, "draft.rules")
    return draft


def supplied(request: preview_pb2.PreviewPresetRequest) -> list[History]:
    """The histories that the caller brings."""
    return [
        History(
            item_ids=own.item_ids,
            context=own.context if own.HasField("context") else request.context,
            next_item_id=own.next_item_id,
        )
        for own in request.supplied.histories
    ]


def recorded(
    request: preview_pb2.PreviewPresetRequest, decisions: Sequence[decision_pb2.Decision]
) -> list[History]:
    """Those of recorded requests, with what those excluded; nobody knows what came next."""
    return [
        History(
            item_ids=own.request.history,
            context=own.request.context if own.request.HasField("context") else request.context,
            excluded=own.request.exclude_item_ids,
            may_repeat=own.request.include_history,
        )
        for own in decisions
    ]


def _subject_violations(request: preview_pb2.PreviewPresetRequest) -> Iterator[Violation]:
    match request.WhichOneof("subject"):
        case None:
            yield Violation("subject", "is required: draft, or stored")
        case "stored":
            yield from name_violations(request.stored.name, "stored.name")
            yield from revision_violations(
                request.stored.revision, "stored.revision", least=0, zero="the newest"
            )


def _histories_violations(request: preview_pb2.PreviewPresetRequest) -> Iterator[Violation]:
    match request.WhichOneof("histories"):
        case None:
            yield Violation("histories", "is required: supplied, or recorded")
        case "recorded":
            count = request.recorded.max_count
            if not 0 <= count <= MAX_HISTORIES:
                message = f"{count} is not within 0 to {MAX_HISTORIES}; 0 means {DEFAULT_RECORDED}"
                yield Violation("recorded.max_count", message)
        case "supplied":
            yield from _supplied_violations(request.supplied.histories)


def _supplied_violations(histories: Sequence[preview_pb2.PreviewHistory]) -> Iterator[Violation]:
    if not 1 <= len(histories) <= MAX_HISTORIES:
        message = f"{len(histories)} of them; 1 to {MAX_HISTORIES}"
        yield Violation("supplied.histories", message)
    for i, history in enumerate(histories[:MAX_HISTORIES]):
        path = f"supplied.histories[{i}]"
        if len(history.item_ids) > MAX_HISTORY:
            message = f"{len(history.item_ids)} of them; at most {MAX_HISTORY}"
            yield Violation(f"{path}.item_ids", message)
        yield from _context_violations(history.context, f"{path}.context")


def _context_violations(context: Struct, field: str) -> Iterator[Violation]:
    if (size := context.ByteSize()) > MAX_CONTEXT_BYTES:
        yield Violation(field, f"{size} bytes; at most {MAX_CONTEXT_BYTES}")


def _number_violations(request: preview_pb2.PreviewPresetRequest) -> Iterator[Violation]:
    if not 0 <= request.k <= MAX_K:
        yield Violation("k", f"{request.k} is not within 0 to {MAX_K}; 0 means {DEFAULT_K}")
