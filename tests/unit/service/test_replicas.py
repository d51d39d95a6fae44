"""What a replica tells of what it serves."""

import numpy as np
from steerrec.v1 import preset_pb2

from service.presets.compiled import Bench, StoredPresets, compile_presets
from service.presets.conditions import compile_condition
from service.presets.record import head_of, next_revision
from service.presets.replicas import asked_for, new_replica_id, served_bundle
from steering.rules import Operation, Rule
from steering.space import FeatureSpace
from tests.presets import NOON, draft

LIVE, DEAD = 0, 1
BENCH = Bench(FeatureSpace.of(np.array([1.0, 0.0]), {}), "", compile_condition)


def told(*targets: int) -> preset_pb2.ServedBundle:
    """Of one preset whose revisions add to these features, the last in force."""
    records, head = [], None
    for target in targets:
        record = next_revision(draft("p", 1.0, Rule(Operation.ADD, target, 1.0)), head, NOON)
        records.append(record)
        head = head_of(record, head)
    assert head is not None
    stored = StoredPresets({"p": head}, {"p": tuple(records)})
    return served_bundle("production", "v1", compile_presets(stored, BENCH))


def test_a_preset_that_is_honoured_is_served_as_in_force() -> None:
    (served,) = told(LIVE).presets
    assert (served.revision_in_force, served.served_revision, served.message) == (1, 1, "")


def test_presets_served_as_in_force_are_counted() -> None:
    assert told(LIVE).current_count == 1


def test_a_refused_revision_is_told_with_the_one_that_goes_on() -> None:
    (served,) = told(LIVE, 99).presets
    assert (served.revision_in_force, served.served_revision) == (2, 1)
    assert "99" in served.message


def test_without_a_name_only_what_is_not_as_in_force_is_told() -> None:
    status = preset_pb2.ReplicaStatus(bundles=[told(LIVE)])
    assert list(asked_for(status, "").bundles[0].presets) == []


def test_a_preset_that_is_asked_for_is_told() -> None:
    status = preset_pb2.ReplicaStatus(bundles=[told(LIVE)])
    assert [own.name for own in asked_for(status, "p").bundles[0].presets] == ["p"]


def test_a_replica_has_an_id_of_its_own() -> None:
    assert new_replica_id() != new_replica_id()
