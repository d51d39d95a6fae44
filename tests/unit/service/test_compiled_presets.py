"""Presets compiled for a bundle."""

from dataclasses import replace

import pytest

from service.presets.compiled import (
    Bench,
    CompiledPreset,
    CompiledPresets,
    RefusedPreset,
    StoredPresets,
    compile_presets,
)
from service.presets.conditions import compile_condition
from service.presets.errors import PresetMissing
from service.presets.record import PresetRevision, archived, drafted, head_of, pointed
from steering.rules import Attribute, Operation, Rule
from tests.presets import draft
from tests.unit.steering.spaces import SPACE

BENCH = Bench(SPACE, "0123456789abcdef", compile_condition)
UNKNOWN = Rule(Operation.ADD, Attribute("genre", "Western"), 1)


def stored(*records: PresetRevision) -> StoredPresets:
    """All of one preset, the last one in force."""
    return StoredPresets({"scary": head_of(records[-1])}, {"scary": records})


def compiled(*records: PresetRevision) -> CompiledPresets:
    return compile_presets(stored(*records), BENCH)


def revision(number: int, *rules: Rule, feature_space: str = "") -> PresetRevision:
    return replace(draft("scary", 1, *rules), revision=number, feature_space=feature_space)


def test_a_name_gives_the_newest_revision() -> None:
    assert compiled(revision(1), revision(2)).layer("scary").revision == 2


def test_a_revision_can_be_asked_for() -> None:
    assert compiled(revision(1), revision(2)).layer("scary", 1).revision == 1


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(PresetMissing, match="no preset 'scarry'; did you mean 'scary'"):
        compiled(revision(1)).layer("scarry")


def test_a_revision_that_is_not_kept_is_missing() -> None:
    with pytest.raises(PresetMissing, match="no preset 'scary' revision 3"):
        compiled(revision(1)).layer("scary", 3)


def test_an_archived_preset_is_not_in_force() -> None:
    record = revision(1)
    gone = StoredPresets({"scary": archived(head_of(record))}, {"scary": (record,)})
    assert len(compile_presets(gone, BENCH)) == 0


def test_a_preset_that_the_bundle_cannot_honour_is_kept_with_its_faults() -> None:
    preset = compiled(revision(1, UNKNOWN)).layer("scary")
    assert isinstance(preset, RefusedPreset)
    assert "no feature group for genre=Western" in str(preset.faults[0])


def test_a_newer_revision_that_cannot_be_honoured_leaves_the_older_in_force() -> None:
    preset = compiled(revision(1), revision(2, UNKNOWN)).layer("scary")
    assert isinstance(preset, CompiledPreset)
    assert (preset.revision, preset.refused_revision) == (1, 2)


def after_rollback(*records: PresetRevision, active: int) -> CompiledPresets:
    """Of one preset, an older revision in force."""
    head = pointed(head_of(records[-1]), active)
    return compile_presets(StoredPresets({"scary": head}, {"scary": records}), BENCH)


def with_draft(first: PresetRevision, second: PresetRevision) -> CompiledPresets:
    """Of one preset, the first revision in force and the second a draft."""
    head = drafted(head_of(first), second)
    return compile_presets(StoredPresets({"scary": head}, {"scary": (first, second)}), BENCH)


def test_a_name_gives_the_revision_gone_back_to() -> None:
    assert after_rollback(revision(1), revision(2), active=1).layer("scary").revision == 1


def test_a_newer_revision_than_the_one_in_force_is_no_stand_in() -> None:
    preset = after_rollback(revision(1, UNKNOWN), revision(2), active=1).layer("scary")
    assert isinstance(preset, RefusedPreset)
    assert preset.revision == 1


def test_a_revision_in_force_that_cannot_be_read_is_refused() -> None:
    head = pointed(head_of(revision(2)), 1)
    unread = StoredPresets({"scary": head}, {"scary": (revision(2),)})
    assert isinstance(compile_presets(unread, BENCH).layer("scary"), RefusedPreset)


def test_a_draft_is_not_what_a_name_gives() -> None:
    assert with_draft(revision(1), revision(2)).layer("scary").revision == 1


def test_a_draft_cannot_be_asked_for() -> None:
    with pytest.raises(PresetMissing, match="'scary' revision 2 is a draft: publish it first"):
        with_draft(revision(1), revision(2)).layer("scary", 2)


def test_a_draft_is_not_compiled() -> None:
    assert with_draft(revision(1), revision(2, UNKNOWN)).refused == []


def test_a_preset_with_drafts_only_is_not_in_force() -> None:
    first = revision(1)
    only = StoredPresets({"scary": drafted(None, first)}, {"scary": (first,)})
    with pytest.raises(PresetMissing, match="preset 'scary' is a draft: publish it first"):
        compile_presets(only, BENCH).layer("scary")


def test_a_published_draft_is_compiled() -> None:
    first, second = revision(1), revision(2)
    head = drafted(head_of(first), second)
    records = {"scary": (first, second)}
    before = compile_presets(StoredPresets({"scary": head}, records), BENCH)
    now = compile_presets(StoredPresets({"scary": pointed(head, 2)}, records), BENCH, before)
    assert now.layer("scary").revision == 2


def test_the_refused_are_listed() -> None:
    assert [p.revision for p in compiled(revision(1), revision(2, UNKNOWN)).refused] == [2]


def test_a_feature_of_another_feature_space_is_refused() -> None:
    preset = compiled(revision(1, Rule(Operation.ADD, 3, 1), feature_space="f" * 16)).layer("scary")
    assert isinstance(preset, RefusedPreset)
    assert "3 is an index of feature space 'ffffffffffffffff'" in str(preset.faults[0])


def test_a_feature_of_this_feature_space_is_honoured() -> None:
    rule = Rule(Operation.ADD, 3, 1)
    preset = compiled(revision(1, rule, feature_space=BENCH.feature_space)).layer("scary")
    assert isinstance(preset, CompiledPreset)


def test_an_unchanged_revision_is_not_compiled_again() -> None:
    before = compiled(revision(1))
    after = compile_presets(stored(revision(1), revision(2)), BENCH, before)
    assert after.layer("scary", 1) is before.layer("scary", 1)


def test_contradicting_rules_are_refused() -> None:
    rules = (Rule(Operation.FLOOR, 3, 3), Rule(Operation.CAP, 3, 1))
    preset = compiled(revision(1, *rules, feature_space=BENCH.feature_space)).layer("scary")
    assert isinstance(preset, RefusedPreset)


def test_a_revision_that_cannot_be_read_is_refused_and_not_missing() -> None:
    unread = StoredPresets({"scary": head_of(revision(2))}, {"scary": ()})
    preset = compile_presets(unread, BENCH).layer("scary")
    assert isinstance(preset, RefusedPreset)
    assert "cannot read" in str(preset.faults[0])


def test_a_newest_revision_that_cannot_be_read_leaves_the_older_in_force() -> None:
    unread = StoredPresets({"scary": head_of(revision(2))}, {"scary": (revision(1),)})
    preset = compile_presets(unread, BENCH).layer("scary")
    assert isinstance(preset, CompiledPreset)
    assert (preset.revision, preset.refused_revision) == (1, 2)


def test_another_revision_of_the_same_number_is_compiled_anew() -> None:
    before = compiled(revision(1))
    other = replace(revision(1), description="written after the store lost its data")
    assert compile_presets(stored(other), BENCH, before).layer("scary") is not before.layer("scary")
