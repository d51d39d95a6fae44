"""The plain rules of a request, read from the wire into columns."""

from collections.abc import Sequence

from steerrec.v1 import rule_pb2

from service.convert import OPERATIONS, UNITS
from steering.columns import MOST, PlainRules, Target
from steering.rules import MAX_VALUE, Operation, Unit, is_plain_attribute


def plain_rules(messages: Sequence[rule_pb2.Rule]) -> PlainRules | None:
    """The rules; None: at least one is more than plain, or wrong, or there are many."""
    if len(messages) > MOST:
        return None
    operations: list[Operation] = []
    targets: list[Target] = []
    values: list[float] = []
    units: list[Unit] = []
    for message in messages:
        if message.rule_id or message.condition or message.HasField("when_activation"):
            return None
        operation, unit, value = (
            OPERATIONS.get(message.operation),
            UNITS.get(message.unit),
            message.value,
        )
        # written so that NaN is refused too
        if operation is None or unit is None or not -MAX_VALUE <= value <= MAX_VALUE:
            return None
        if value < 0 and operation is Operation.SCALE:
            return None
        target = _target(message)
        if target is None:
            return None
        operations.append(operation)
        targets.append(target)
        values.append(value)
        units.append(unit)
    return PlainRules(operations, targets, values, units)


def _target(message: rule_pb2.Rule) -> Target | None:
    """None: there is none, or it is wrong."""
    match message.WhichOneof("target"):
        case "feature_index":
            index = message.feature_index
            return index if index >= 0 else None
        case "attribute":
            name, value = message.attribute.name, message.attribute.value
            return (name, value) if is_plain_attribute(name, value) else None
        case _:
            return None
