"""A request as the rest of the service sees it: checked against every limit of the contract."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from google.protobuf.struct_pb2 import Struct, Value
from steerrec.v1 import recommender_pb2, rule_pb2

from service.convert import rule_from_proto
from service.errors import InvalidRequest, Violation
from service.request_id import MAX_REQUEST_ID, is_request_id
from service.rule_columns import plain_rules
from service.settings import PRODUCTION
from service.wishes import Wishes, wish_violations, wishes_of
from steering.errors import RuleFault, RulesRefused
from steering.rules import Rule, faults_of

DEFAULT_K = 10
MAX_K = 1000
MAX_HISTORY = 10_000
MAX_EXCLUDED = 10_000
MAX_PRESETS = 16
MAX_RULES = 256
MAX_CONTEXT_BYTES = 4096
"""Serialised; every condition reads the context anew."""
VIEWS = frozenset(recommender_pb2.View.values())
SKIPS = frozenset(recommender_pb2.OnUnknownPreset.values())
FULL = recommender_pb2.VIEW_FULL
SKIP = recommender_pb2.ON_UNKNOWN_PRESET_SKIP
PRESET_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class PresetReference(NamedTuple):
    """A preset that a request names."""

    name: str
    revision: int | None
    """From 1; None: the one in force."""


class Query(NamedTuple):
    """One question: what comes after this history?"""

    history: Sequence[str]
    """Item ids, oldest first."""
    k: int
    """Items wanted."""
    excluded: Sequence[str]
    """Item ids that must not be recommended."""
    may_repeat_history: bool
    """Whether items of the history may be recommended again."""
    presets: tuple[PresetReference, ...]
    """The earlier first."""
    rules: Sequence[Rule]
    """Of this request alone; the last layer."""
    context: Mapping[str, object]
    """What conditions read."""
    is_steering_disabled: bool
    """Whether presets and rules are checked but left out."""
    skips_unknown_presets: bool
    """Whether a preset that is not in force is left out instead of refused."""
    ignores_defaults: bool
    """Whether presets that apply without being named are left out."""
    is_full: bool
    """Whether the reply tells all it can."""
    model: str
    """Label or version."""
    request_id: str
    """The caller's or ours; never empty."""
    wishes: Wishes | None = None
    """Target, budget, counterfactual, contributions; None: none of them."""


def query_of(
    request: recommender_pb2.RecommendRequest, request_id: str, alike: Query | None = None
) -> Query:
    """The request, checked.

    Args:
        request: as received.
        request_id: what to call it where the caller did not.
        alike: of a request with the same presets, rules and context; None: none is known.

    Raises:
        InvalidRequest: with every field that breaks the contract.
    """
    plain = alike.rules if alike else plain_rules(request.rules)
    presets, excluded = request.presets, request.exclude_item_ids
    rules: list[Rule] = []
    if plain is None or not _is_sound(request) or (presets and not alike):
        violations = [
            *_size_violations(request),
            *_enum_violations(request),
            *(() if alike else _preset_violations(presets)),
            *(_rule_violations(request.rules, rules) if plain is None else ()),
            *wish_violations(request),
        ]
        if violations:
            raise InvalidRequest(violations)
    k = request.k if request.HasField("k") else DEFAULT_K
    return Query(
        history=[*request.history],
        k=k,
        excluded=[*excluded] if excluded else (),
        may_repeat_history=request.include_history,
        presets=alike.presets if alike else tuple(_references(presets)) if presets else (),
        rules=tuple(rules) if plain is None else plain,
        context=alike.context if alike else _context(request),
        is_steering_disabled=request.disable_steering,
        skips_unknown_presets=request.on_unknown_preset == SKIP,
        ignores_defaults=request.ignore_defaults,
        is_full=request.view == FULL,
        model=request.model or PRODUCTION,
        request_id=request.request_id or request_id,
        wishes=wishes_of(request, k),
    )


def _is_sound(request: recommender_pb2.RecommendRequest) -> bool:
    """Whether one look shows that nothing is wrong beside presets and rules; most requests."""
    has = request.HasField
    return (
        len(request.history) <= MAX_HISTORY
        and len(request.exclude_item_ids) <= MAX_EXCLUDED
        and (not has("k") or 1 <= request.k <= MAX_K)
        and is_request_id(request.request_id)
        and request.view in VIEWS
        and request.on_unknown_preset in SKIPS
        and not (has("context") or has("target") or has("budget"))
    )


def _size_violations(request: recommender_pb2.RecommendRequest) -> Iterator[Violation]:
    for field, count, most in (
        ("history", len(request.history), MAX_HISTORY),
        ("exclude_item_ids", len(request.exclude_item_ids), MAX_EXCLUDED),
        ("presets", len(request.presets), MAX_PRESETS),
        ("rules", len(request.rules), MAX_RULES),
    ):
        if count > most:
            yield Violation(field, f"{count} of them; at most {most}")
    if request.HasField("context") and (size := request.context.ByteSize()) > MAX_CONTEXT_BYTES:
        yield Violation("context", f"{size} bytes; at most {MAX_CONTEXT_BYTES}")
    if request.HasField("k") and not 1 <= request.k <= MAX_K:
        yield Violation("k", f"{request.k} is not within 1 to {MAX_K}")
    if not is_request_id(request.request_id):
        message = f"must be printable, at most {MAX_REQUEST_ID} characters"
        yield Violation("request_id", f"{request.request_id[:40]!r} {message}")


def _enum_violations(request: recommender_pb2.RecommendRequest) -> Iterator[Violation]:
    if request.view not in VIEWS:
        yield Violation("view", f"{request.view} is no View")
    if request.on_unknown_preset not in SKIPS:
        yield Violation("on_unknown_preset", f"{request.on_unknown_preset} is no OnUnknownPreset")


def _preset_violations(
    references: Sequence[recommender_pb2.PresetReference],
) -> Iterator[Violation]:
    for i, reference in enumerate(references[: MAX_PRESETS + 1]):
        if PRESET_NAME.fullmatch(reference.name) is None:
            message = "must be a lower-case letter, then at most 62 of a-z, 0-9 and '-'"
            yield Violation(f"presets[{i}].name", f"{reference.name[:80]!r} {message}")
        if reference.HasField("revision") and reference.revision < 1:
            yield Violation(
                f"presets[{i}].revision", f"{reference.revision} is no revision; they start at 1"
            )


def _rule_violations(messages: Sequence[rule_pb2.Rule], rules: list[Rule]) -> Iterator[Violation]:
    """What is wrong with the rules whatever the bundle; the others are added to `rules`."""
    for i, message in enumerate(messages[: MAX_RULES + 1]):
        path = f"rules[{i}]"
        try:
            rule = rule_from_proto(message, path)
        except RulesRefused as refused:
            yield from map(_violation, refused.faults)
        except RuleFault as fault:
            yield _violation(fault)
        else:
            rules.append(rule)
            yield from map(_violation, faults_of(rule, path))


def _violation(fault: RuleFault) -> Violation:
    return Violation(fault.field, fault.message)


def _references(
    references: Sequence[recommender_pb2.PresetReference],
) -> Iterator[PresetReference]:
    for reference in references:
        revision = reference.revision if reference.HasField("revision") else None
        yield PresetReference(reference.name, revision)


def _context(request: recommender_pb2.RecommendRequest) -> Mapping[str, object]:
    return _plain_struct(request.context) if request.HasField("context") else {}


def _plain_struct(struct: Struct) -> dict[str, object]:
    """The struct as plain values; every number stays a double, so that a condition's types hold."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value: Value) -> object:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _plain_struct(value.struct_value)
        case "list_value":
            return [_plain(own) for own in value.list_value.values]
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)
