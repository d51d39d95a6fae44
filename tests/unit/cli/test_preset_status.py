"""When the replicas do not serve what is in force."""

from google.protobuf import text_format
from steerrec.v1 import preset_pb2

from cli.preset_status import faults_of

ALL_SERVE = """
store_state: STORE_STATE_CONNECTED
replicas {
  replica_id: "one" audit_sequence: 5
  bundles { label: "production" model_version: "v1" current_count: 2 }
}
replicas {
  replica_id: "two" audit_sequence: 5
  bundles { label: "production" model_version: "v1" current_count: 2 }
}
"""


def status(text: str = ALL_SERVE) -> preset_pb2.GetStatusResponse:
    return text_format.Parse(text, preset_pb2.GetStatusResponse())


def test_replicas_at_the_tip_without_exceptions_serve_what_is_in_force() -> None:
    assert list(faults_of(status(), tip=5)) == []


def test_a_replica_behind_another_lags() -> None:
    reply = status()
    reply.replicas[1].audit_sequence = 4
    assert list(faults_of(reply, tip=0)) == ["two: serves event 4 of 5"]


def test_all_replicas_behind_the_chain_lag() -> None:
    assert list(faults_of(status(), tip=6)) == [
        "one: serves event 5 of 6",
        "two: serves event 5 of 6",
    ]


def test_a_preset_that_a_replica_cannot_honour_is_told_with_its_reason() -> None:
    reply = status()
    reply.replicas[0].bundles[0].presets.add(
        name="a", revision_in_force=3, served_revision=2, message="feature 999 is not there"
    )
    assert list(faults_of(reply, tip=5)) == [
        "one: production: a is served at revision 2, in force is 3: feature 999 is not there"
    ]


def test_a_preset_that_is_served_as_in_force_is_no_fault() -> None:
    reply = status()
    reply.replicas[0].bundles[0].presets.add(name="a", revision_in_force=3, served_revision=3)
    assert list(faults_of(reply, tip=5)) == []


def test_a_store_that_is_not_followed_is_a_fault() -> None:
    reply = status()
    reply.store_state = preset_pb2.STORE_STATE_LOST_DATA
    assert list(faults_of(reply, tip=0)) == ["the store of presets: lost data"]
