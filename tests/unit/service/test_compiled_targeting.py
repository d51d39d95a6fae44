"""Targeting of compiled presets: what is asked, in which order, and of which presets."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.presets.compiled import (
    Bench,
    CompiledPresets,
    RefusedPreset,
    StoredPresets,
    check_defaults,
    compile_presets,
)
from service.presets.compiled_targeting import SkipReason, compiled_targeting
from service.presets.conditions import compile_condition
from service.presets.errors import RecordCorrupt, TooManyDefaults
from service.presets.record import PresetRevision, from_json, head_of, to_json
from service.presets.rollout import Rollout
from service.presets.schedule import Schedule, WeeklyWindow
from service.presets.targeting import Targeting
from steering.rules import Attribute, Operation, Rule
from tests.presets import NOON, draft
from tests.unit.steering.spaces import SPACE

BENCH = Bench(SPACE, "0123456789abcdef", compile_condition)
DEFAULT = Targeting(is_default=True)
WESTERN = Rule(Operation.ADD, Attribute("genre", "Western"), 1)


def record(name: str, targeting: Targeting | None, *rules: Rule) -> PresetRevision:
    return replace(draft(name, 1, *rules), revision=1, targeting=targeting)


def stored(*records: PresetRevision) -> StoredPresets:
    return StoredPresets({r.name: head_of(r) for r in records}, {r.name: (r,) for r in records})


def compiled(*records: PresetRevision) -> CompiledPresets:
    return compile_presets(stored(*records), BENCH)


def why_not(targeting: Targeting, now: datetime = NOON, **context: Any) -> SkipReason | None:
    kept_out = compiled_targeting(targeting, "scary", compile_condition).kept_out(context, now)
    return kept_out.reason if kept_out else None


def test_what_has_no_parts_always_applies() -> None:
    assert why_not(Targeting()) is None


def test_every_part_must_hold() -> None:
    whole = Targeting("context.a == 1", Schedule(start_time=NOON), Rollout(100, "u"))
    assert why_not(whole, a=1.0, u="u1") is None


@pytest.mark.parametrize(
    ("targeting", "reason"),
    [
        (Targeting("context.a == 2"), SkipReason.CONDITION_FALSE),
        (Targeting("context.missing == 2"), SkipReason.CONDITION_FALSE),
        (Targeting(schedule=Schedule(end_time=NOON)), SkipReason.OUTSIDE_SCHEDULE),
        (Targeting(rollout=Rollout(100, "missing")), SkipReason.OUTSIDE_ROLLOUT),
        (
            Targeting("context.a == 2", Schedule(end_time=NOON), Rollout(0, "u")),
            SkipReason.OUTSIDE_SCHEDULE,
        ),
        (Targeting("context.a == 2", rollout=Rollout(0, "u")), SkipReason.OUTSIDE_ROLLOUT),
    ],
)
def test_the_first_part_that_does_not_hold_is_told(
    targeting: Targeting, reason: SkipReason
) -> None:
    assert why_not(targeting, a=1.0, u="u1") is reason


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "u"]), json))
@pytest.mark.parametrize(
    "condition",
    [
        "context.a == 1",
        "context.a.b.c > 3",
        "context.a[0] == context.a[1]",
        "context.a.matches('^x')",
        "context.a + context.a == 2",
        "int(context.a) / int(context.a) == 1",
        "timestamp(context.a).getHours() > 3",
        "size(context.a) > 2 && !context.u",
        "context.a in context.u",
        "context.a",
    ],
)
def test_no_context_makes_an_evaluation_fail(condition: str, context: dict[str, Any]) -> None:
    targeting = Targeting(condition, rollout=Rollout(100, "u"))
    assert why_not(targeting, **context) in {
        None,
        SkipReason.CONDITION_FALSE,
        SkipReason.OUTSIDE_ROLLOUT,
    }


def test_a_schedule_is_read_at_the_moment_given() -> None:
    until_noon = Targeting(schedule=Schedule(end_time=NOON))
    assert why_not(until_noon, datetime(2020, 1, 1, tzinfo=UTC)) is None


def test_defaults_come_by_priority_then_name() -> None:
    presets = compiled(
        record("late", replace(DEFAULT, priority=3)),
        record("b", DEFAULT),
        record("a", DEFAULT),
        record("named", Targeting(priority=9)),
        record("plain", None),
    )
    assert [own.name for own in presets.defaults] == ["a", "b", "late"]


def test_a_default_that_the_bundle_cannot_honour_is_among_them_refused() -> None:
    (default,) = compiled(record("wild", DEFAULT, WESTERN)).defaults
    assert isinstance(default, RefusedPreset)


def test_a_time_zone_that_is_unknown_here_refuses_the_preset() -> None:
    schedule = Schedule(windows=(WeeklyWindow((1,), 0, 60),), time_zone="Mars/Olympus")
    preset = compiled(record("odd", Targeting(schedule=schedule))).layer("odd")
    assert isinstance(preset, RefusedPreset)
    assert str(preset.faults[0]) == (
        "targeting.schedule.time_zone: 'Mars/Olympus' is not in this machine's time zone"
        " database; update it"
    )


def test_a_default_beyond_what_a_request_can_bear_is_refused() -> None:
    full = stored(*(record(f"p{i}", DEFAULT) for i in range(64)))
    with pytest.raises(TooManyDefaults, match="64 presets do, and no more may"):
        check_defaults(full, record("more", DEFAULT))


def test_defaults_with_too_many_rules_together_are_refused() -> None:
    rules = draft().rules * 200
    full = stored(record("many", DEFAULT, *rules))
    with pytest.raises(TooManyDefaults, match="would have 300 rules together; at most 256"):
        check_defaults(full, record("more", DEFAULT, *rules[:100]))


def test_a_default_that_is_written_again_is_no_further_one() -> None:
    full = stored(*(record(f"p{i}", DEFAULT) for i in range(64)))
    check_defaults(full, record("p0", DEFAULT))


def test_a_preset_that_is_named_only_is_no_further_default() -> None:
    full = stored(*(record(f"p{i}", DEFAULT) for i in range(64)))
    check_defaults(full, record("more", Targeting()))


def test_targeting_is_stored_and_read_back() -> None:
    whole = record(
        "scary",
        Targeting(
            "context.a == 1",
            Schedule(NOON, None, (WeeklyWindow((6, 7), 1200, 120),), "Europe/Berlin"),
            Rollout(12.34, "user_id", "autumn"),
            priority=-5,
            exclusivity_group="seasons",
            is_default=True,
        ),
    )
    assert from_json(to_json(whole)) == whole


def test_a_preset_without_targeting_is_stored_as_before() -> None:
    assert "targeting" not in to_json(record("scary", None))


def test_stored_targeting_that_breaks_the_contract_is_corrupt() -> None:
    text = to_json(record("scary", Targeting(priority=5))).replace("5", "5000", 1)
    with pytest.raises(RecordCorrupt):
        from_json(text)
