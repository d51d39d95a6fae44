"""A preset is honoured or refused: one that is stored is served as written, no other ever is."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steerrec.v1 import (
    preset_pb2,
    preset_pb2_grpc,
    recommender_pb2,
    recommender_pb2_grpc,
    rule_pb2,
    targeting_pb2,
)

from cli.preset_file import preset_yaml, read_preset
from model_store.store import Store
from tests.fuzzed_conditions import EXPRESSIONS
from tests.fuzzing import bounded
from tests.integration.asking import preset, request
from tests.integration.fuzzed import contexts, messages_of, running, settings_of

TIMEOUT_S = 20
NUMBERS = count()
"""Of the presets; each has a name of its own."""


def mostly(usual: tuple[Any, ...], anything: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of the usual values, and now and then anything: so that most presets are sound."""
    return st.integers(0, 11).flatmap(lambda die: anything if die == 7 else st.sampled_from(usual))


CONDITION = mostly(("", "", "context.a == 1.0", "has(context.b)", "context.a"), EXPRESSIONS)
INT64 = st.integers(-(10**11), 10**12)
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")))
DESCRIPTIONS = (
    "",
    "less: horror\n# 'and' \"more\"",
    "\U0001f383",
    " a\r\n\tb ",
    "- no\n- yes",
    "~",
)
BOUNDS: st.SearchStrategy[Any] = messages_of(rule_pb2.ActivationRange.DESCRIPTOR)


@st.composite
def rules(draw: st.DrawFn) -> rule_pb2.Rule:
    """A rule, most of the time a sound one."""
    rule = rule_pb2.Rule(
        rule_id=draw(mostly(("",), st.sampled_from(("one", "a\x07", "\u202e")))),
        operation=draw(st.sampled_from(rule_pb2.Operation.values()[1:])),
        value=draw(mostly((0.0, 0.5, 1.0, 2.0, 1e6), st.floats())),
        unit=draw(st.sampled_from(rule_pb2.Unit.values())),
        condition=draw(CONDITION),
    )
    if draw(st.booleans()):
        rule.feature_index = draw(mostly((0, 1, 2, 11, 30), st.integers(-2, 40)))
    else:
        rule.attribute.name = draw(mostly(("genre",), st.sampled_from(("a=b", "Genre"))))
        rule.attribute.value = draw(mostly(("Horror", "Comedy", "Children's"), TEXT))
    if draw(st.integers(0, 5)) == 0:
        rule.when_activation.CopyFrom(draw(BOUNDS))
    return rule


@st.composite
def schedules(draw: st.DrawFn) -> targeting_pb2.Schedule:
    """A schedule, most of the time a sound one."""
    zone = draw(mostly(("Europe/Berlin", "UTC", "America/St_Johns"), st.just("") | TEXT))
    schedule = targeting_pb2.Schedule(time_zone=zone)
    if draw(st.booleans()):
        schedule.start_time.seconds = draw(mostly((0, 1_764_547_200), INT64))
        schedule.start_time.nanos = draw(mostly((0, 1000, 999_999_000), st.integers(-1, 10**9)))
    if draw(st.booleans()):
        schedule.end_time.seconds = draw(mostly((1_900_000_000, 2_000_000_000), INT64))
    for _ in range(draw(st.integers(0, 2))):
        window = schedule.windows.add(days=draw(st.sets(st.integers(1, 7), min_size=1)))
        window.start.hours = draw(mostly((0, 18, 23), st.integers(-1, 25)))
        window.start.minutes = draw(mostly((0, 59), st.integers(-1, 61)))
        window.end.hours = draw(mostly((0, 6, 24), st.integers(-1, 25)))
    return schedule


@st.composite
def targetings(draw: st.DrawFn) -> targeting_pb2.Targeting:
    """A targeting, most of the time a sound one."""
    targeting = targeting_pb2.Targeting(
        condition=draw(CONDITION),
        priority=draw(mostly((0, 5, -1000, 1000), st.just(1001))),
        exclusivity_group=draw(mostly(("", "mood"), st.just("Mood"))),
        is_default=draw(st.booleans()),
    )
    if draw(st.booleans()):
        targeting.schedule.CopyFrom(draw(schedules()))
    if draw(st.booleans()):
        targeting.rollout.percent = draw(mostly((0.0, 12.5, 100.0, 0.01), st.floats()))
        targeting.rollout.context_key = draw(mostly(("user_id", "a", "b c"), TEXT))
        targeting.rollout.salt = draw(mostly(("", "winter"), TEXT))
    return targeting


@st.composite
def presets(draw: st.DrawFn) -> preset_pb2.Preset:
    """A preset of a name that nobody has."""
    message = preset_pb2.Preset(
        name=f"preset-{next(NUMBERS)}",
        description=draw(mostly(DESCRIPTIONS, st.text() | TEXT)),
        rules=draw(st.lists(rules(), min_size=1, max_size=3)),
    )
    if draw(st.booleans()):
        message.targeting.CopyFrom(draw(targetings()))
    return message


class Operator:
    """Somebody who writes presets and asks for slates."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._presets: Any = preset_pb2_grpc.PresetServiceStub(channel)
        self._recommender: Any = recommender_pb2_grpc.RecommenderServiceStub(channel)

    def created(self, message: preset_pb2.Preset, **fields: Any) -> preset_pb2.Preset | None:
        """The preset as stored; None: it was refused."""
        asked = preset_pb2.CreatePresetRequest(
            preset=message, author="ann", reason="test", **fields
        )
        reply = self._unless(grpc.StatusCode.INVALID_ARGUMENT, self._presets.CreatePreset, asked)
        return reply.preset if reply else None

    def read(self, name: str) -> preset_pb2.Preset | None:
        """The preset; None: there is none."""
        asked = preset_pb2.GetPresetRequest(name=name)
        found = self._unless(grpc.StatusCode.NOT_FOUND, self._presets.GetPreset, asked)
        return found.preset if found else None

    def names(self) -> set[str]:
        """Of every preset, deleted or not."""
        asked = preset_pb2.ListPresetsRequest(page_size=1000, show_deleted=True)
        return {own.name for own in self._presets.ListPresets(asked, timeout=TIMEOUT_S).presets}

    def delete(self, stored: preset_pb2.Preset) -> None:
        """Out of force."""
        self._presets.DeletePreset(
            preset_pb2.DeletePresetRequest(
                name=stored.name, etag=stored.etag, author="ann", reason="test"
            ),
            timeout=TIMEOUT_S,
        )

    def slate(self, asked: recommender_pb2.RecommendRequest) -> Any:
        """The reply; None: what it names is not there."""
        return self._unless(grpc.StatusCode.NOT_FOUND, self._recommender.Recommend, asked)

    @staticmethod
    def _unless(code: grpc.StatusCode, method: Any, asked: Any) -> Any:
        """The reply; None: it was refused with this code, the only one that it may be."""
        try:
            return method(asked, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            refused: Any = error
            if refused.code() is code:
                return None
            raise


@pytest.fixture(scope="module")
def operator(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Of a replica that all tests of this file share."""
    with running(settings_of(tiny_store, tmp_path_factory.mktemp("data"))) as channel:
        yield Operator(channel)


def content(message: preset_pb2.Preset) -> preset_pb2.Preset:
    """What an operator wrote, its defaults spelt out."""
    written = preset_pb2.Preset(
        name=message.name, description=message.description, rules=message.rules
    )
    for rule in written.rules:
        rule.unit = rule.unit or rule_pb2.UNIT_REFERENCE
        if not (rule.when_activation.HasField("min") or rule.when_activation.HasField("max")):
            rule.ClearField("when_activation")
    if message.targeting != targeting_pb2.Targeting():
        written.targeting.CopyFrom(message.targeting)
    return written


@bounded(60)
@given(message=presets(), context=contexts())
def test_a_stored_preset_is_served_as_written_and_a_refused_one_never(
    operator: Operator, message: preset_pb2.Preset, context: Any
) -> None:
    stored = operator.created(message)
    asked = request(presets=[preset(message.name)], context=context)
    if stored is None:
        assert operator.read(message.name) is None
        assert operator.slate(asked) is None
        return
    reply, plain = operator.slate(asked), operator.slate(request(context=context))
    seen = operator.read(message.name)
    operator.delete(stored)
    assert content(stored) == content(message)
    assert seen == stored
    assert len(plain.items) == 10
    named = [*reply.applied_presets, *reply.skipped_presets]
    assert [(own.name, own.revision) for own in named] == [(message.name, 1)]


@bounded(30)
@given(message=presets())
def test_a_stored_preset_is_a_file_that_says_the_same(
    operator: Operator, tmp_path: Path, message: preset_pb2.Preset
) -> None:
    stored = operator.created(message, validate_only=True)
    if stored is None:
        return
    path = tmp_path / "preset.yaml"
    path.write_text(preset_yaml(stored), encoding="utf-8")
    assert content(read_preset(path).preset.message()) == content(stored)


@bounded(30)
@given(message=presets())
def test_what_is_only_checked_is_not_stored(operator: Operator, message: preset_pb2.Preset) -> None:
    operator.created(message, validate_only=True)
    assert message.name not in operator.names()
