"""Rules between protobuf and the steering core."""

import math
from collections.abc import Sequence
from functools import lru_cache

from steerrec.v1 import recommender_pb2, rule_pb2

from steering.columns import ResolvedColumns
from steering.errors import InvalidRule
from steering.report import Reports, RuleReport
from steering.rules import ActivationRange, Attribute, Operation, Rule, Unit

OPERATIONS = {operation.value: operation for operation in Operation}
UNITS = {rule_pb2.UNIT_UNSPECIFIED: Unit.REFERENCE} | {unit.value: unit for unit in Unit}


def rule_from_proto(message: rule_pb2.Rule, field: str) -> Rule:
    """The rule that a message means; sound or not.

    Args:
        message: as received.
        field: its path, for faults.

    Raises:
        InvalidRule: it names no operation, no target, or an enum value that does not exist.
    """
    return Rule(
        operation=_operation(message, field),
        target=_target(message, field),
        value=message.value,
        unit=_unit(message, field),
        rule_id=message.rule_id,
        condition=message.condition,
        when_activation=_range(message),
    )


def _operation(message: rule_pb2.Rule, field: str) -> Operation:
    operation = OPERATIONS.get(message.operation)
    if operation is None:
        names = ", ".join(operation.name for operation in Operation)
        raise InvalidRule(f"{field}.operation", f"is required: one of {names}")
    return operation


def _unit(message: rule_pb2.Rule, field: str) -> Unit:
    try:
        return UNITS[message.unit]
    except KeyError:
        raise InvalidRule(f"{field}.unit", f"{message.unit} is no Unit; REFERENCE or RAW") from None


def _target(message: rule_pb2.Rule, field: str) -> int | Attribute:
    match message.WhichOneof("target"):
        case "feature_index":
            return message.feature_index
        case "attribute":
            return Attribute(message.attribute.name, message.attribute.value)
        case _:
            raise InvalidRule(f"{field}.target", "is required: feature_index or attribute")


def _range(message: rule_pb2.Rule) -> ActivationRange | None:
    if not message.HasField("when_activation"):
        return None
    bounds = message.when_activation
    if not (bounds.HasField("min") or bounds.HasField("max")):
        return None
    return ActivationRange(
        bounds.min if bounds.HasField("min") else -math.inf,
        bounds.max if bounds.HasField("max") else math.inf,
    )


def rule_to_proto(rule: Rule) -> rule_pb2.Rule:
    """The message that means the rule."""
    message = rule_pb2.Rule(
        rule_id=rule.rule_id,
        operation=rule_pb2.Operation.ValueType(rule.operation.value),
        value=rule.value,
        unit=rule_pb2.Unit.ValueType(rule.unit.value),
        condition=rule.condition,
    )
    if isinstance(rule.target, Attribute):
        message.attribute.name, message.attribute.value = rule.target.name, rule.target.value
    else:
        message.feature_index = rule.target
    if rule.when_activation is not None:
        _set_range(message, rule.when_activation)
    return message


def _set_range(message: rule_pb2.Rule, bounds: ActivationRange) -> None:
    message.when_activation.SetInParent()
    if bounds.min > -math.inf:
        message.when_activation.min = bounds.min
    if bounds.max < math.inf:
        message.when_activation.max = bounds.max


def tell_reports(
    response: recommender_pb2.RecommendResponse, reports: Sequence[RuleReport]
) -> None:
    """Adds what became of each rule to a response."""
    if isinstance(reports, Reports) and isinstance(reports.rules, ResolvedColumns):
        _tell_columns(response, reports, reports.rules)
        return
    for report in reports:
        _tell_report(response, report)


def _tell_columns(
    response: recommender_pb2.RecommendResponse, reports: Reports, rules: ResolvedColumns
) -> None:
    """As `_tell_report`, of plain inline rules: none has an id, a condition or a preset."""
    add = response.rule_reports.add
    for place, unit in enumerate(rules.rules.units):
        status, message = reports.fate(place)
        told = add(
            origin=origin_to_proto("", 0, place),
            status=rule_pb2.RuleStatus.ValueType(status),
            activation_before=reports.before[place],
            activation_after=reports.after[place],
            unit=rule_pb2.Unit.ValueType(unit),
        )
        if message:
            told.message = message


def _tell_report(response: recommender_pb2.RecommendResponse, report: RuleReport) -> None:
    """Adds what became of a rule to a response."""
    rule, origin = report.rule, report.origin
    message = response.rule_reports.add(
        origin=origin_to_proto(origin.preset, origin.revision, origin.index),
        status=rule_pb2.RuleStatus.ValueType(report.status),
        activation_before=report.activation_before,
        activation_after=report.activation_after,
        unit=rule_pb2.Unit.ValueType(rule.unit),
    )
    if rule.rule_id:
        message.rule_id = rule.rule_id
    if report.message:
        message.message = report.message


@lru_cache(maxsize=1024)
def origin_to_proto(preset: str, revision: int, index: int) -> rule_pb2.RuleOrigin:
    """Where a rule came from, as a message that nobody changes."""
    return rule_pb2.RuleOrigin(preset=preset, revision=revision, index=index)
