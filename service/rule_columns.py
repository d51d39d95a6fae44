"""The plain rules of a request, read from the wire into columns."""

from collections.abc import Sequence

from steerrec.v1 import rule_pb2

from service.convert import OPERATIONS, UNITS
from steering.columns import MOST, PlainRules, Target
from steering.rules import MAX_VALUE, Operation, Unit, is_plain_attribute

NO_RULES = PlainRules((), (), (), ())


def plain_rules(messages: Sequence[rule_pb2.Rule]) -> PlainRules | None:
    """The rules; None: at least one is more than plain, or wrong, or there are many."""
    if not messages:
        return NO_RULES
    if len(messages) > MOST:
        return None
    operations: list[Operation] = []
    targets: list[Target] = []
    values: list[float] = []
    units: list[Unit] = []
    for message in messages:
        if message.rule_id or message.condition or message.HasField("when_activation"):
            return None
        operation, unit = OPERATIONS.get(message.operation), UNITS.get(message.unit)
        target, value = _target(message), message.value
        if operation is None or unit is None or target is None:
            return None
        # written so that NaN is refused too
        if not -MAX_VALUE <= value <= MAX_VALUE or (value < 0 and operation is Operation.SCALE):
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
            own = message.attribute
            name, value = own.name, own.value
            return (name, value) if is_plain_attribute(name, value) else None
        case _:
            return None
