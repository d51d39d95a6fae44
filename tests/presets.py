"""Presets for tests."""

from datetime import UTC, datetime

from service.presets.record import PresetRevision
from steering.rules import Attribute, Operation, Rule

HORROR = Attribute("genre", "Horror")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def draft(name: str = "scary", value: float = 1.5, *rules: Rule) -> PresetRevision:
    """A preset nobody stored yet: adds `value` to Horror, or has the rules given."""
    return PresetRevision(
        name=name,
        description="more horror",
        rules=rules or (Rule(Operation.ADD, HORROR, value),),
        feature_space="",
        revision=0,
        author="ada",
        reason="halloween",
        create_time=NOON,
        update_time=NOON,
    )
