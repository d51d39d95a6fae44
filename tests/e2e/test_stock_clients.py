"""Clients that nobody wrote for us: by reflection, by h2load, by a health check."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from steerrec.v1 import recommender_pb2, recommender_pb2_grpc, rule_pb2

from cli.demo.replica_process import Running, running
from loadtest.requests import frame
from model_store.store import Store
from tests.e2e.cli_runs import steerrec
from tests.e2e.h2load import h2load
from tests.e2e.reflected import VERSIONS, Reflected

pytestmark = pytest.mark.e2e
METHOD = "steerrec.v1.RecommenderService.Recommend"
REQUEST = {
    "history": ["i3", "i7"],
    "k": 5,
    "rules": [
        {
            "attribute": {"name": "genre", "value": "Horror"},
            "operation": "OPERATION_ADD",
            "value": 0.5,
        }
    ],
    "context": {"surface": "home"},
}
needs_h2load = pytest.mark.skipif(
    shutil.which("h2load") is None, reason="h2load (Debian nghttp2-client) is not installed"
)
needs_grpcurl = pytest.mark.skipif(
    shutil.which("grpcurl") is None, reason="grpcurl is not installed"
)


@pytest.fixture(scope="module")
def replica(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running replica."""
    with running(tmp_path_factory.mktemp("replica"), tiny_store.root) as own:
        yield own


@pytest.fixture
def channel(replica: Running) -> Iterator[grpc.Channel]:
    """A plain channel."""
    with grpc.insecure_channel(replica.grpc) as own:
        yield own


@pytest.fixture(params=VERSIONS)
def reflected(channel: grpc.Channel, request: pytest.FixtureRequest) -> Reflected:
    """The server, known by reflection alone, of either version."""
    return Reflected(channel, request.param)


def test_all_services_are_listed(reflected: Reflected) -> None:
    names = ("Recommender", "Preset", "Preview", "Decision", "Feature", "Model")
    ours = {f"steerrec.v1.{name}Service" for name in names}
    theirs = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert reflected.services() == ours | theirs


def test_a_call_by_the_methods_symbol_is_answered(reflected: Reflected) -> None:
    assert len(reflected.call(METHOD, REQUEST)["items"]) == 5


@pytest.mark.parametrize(
    "symbol",
    [
        "steerrec.v1.RecommenderService",
        "steerrec.v1.PresetService.CreatePreset",
        "steerrec.v1.RecommendRequest",
        "steerrec.v1.Operation",
        "google.protobuf.Struct",
        "grpc.health.v1.Health.Check",
    ],
)
def test_a_symbol_is_found(reflected: Reflected, symbol: str) -> None:
    answer = reflected.ask(file_containing_symbol=symbol)
    assert answer.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize(
    "symbol",
    ["steerrec.v1.RecommenderService.Nothing", "steerrec.v1.Nothing", "nothing", "nothing.at.all"],
)
def test_a_symbol_that_is_not_there_is_not_found(reflected: Reflected, symbol: str) -> None:
    answer = reflected.ask(file_containing_symbol=symbol)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


@needs_grpcurl
def test_grpcurl_calls_by_reflection(replica: Running) -> None:
    command = ["grpcurl", "-plaintext", "-d", json.dumps(REQUEST), replica.grpc, METHOD]
    assert len(json.loads(subprocess.check_output(command))["items"]) == 5


def steered() -> recommender_pb2.RecommendRequest:
    """A request whose reply always has the same length."""
    rule = rule_pb2.Rule(feature_index=0, operation=rule_pb2.OPERATION_ADD, value=0.25)
    return recommender_pb2.RecommendRequest(
        history=["i3", "i7"], k=5, rules=[rule], request_id="load"
    )


@needs_h2load
def test_h2load_gets_a_whole_reply_to_every_call(
    replica: Running, channel: grpc.Channel, tmp_path: Path
) -> None:
    body = tmp_path / "body.frame"
    body.write_bytes(frame(steered().SerializeToString()))
    load = h2load(replica.grpc, body, requests=400, connections=4, streams=8)
    reply = recommender_pb2_grpc.RecommenderServiceStub(channel).Recommend(steered())
    assert load == (400, 400 * len(frame(reply.SerializeToString())))


@needs_h2load
def test_the_data_bytes_of_h2load_show_refused_calls(replica: Running, tmp_path: Path) -> None:
    body = tmp_path / "body.frame"
    body.write_bytes(frame(recommender_pb2.RecommendRequest(k=-1).SerializeToString()))
    load = h2load(replica.grpc, body, requests=50, connections=1, streams=4)
    assert load == (50, 0)


def load_data(store: Store, out: Path) -> None:
    """Writes requests with three rules each."""
    made = steerrec("load", "data", str(out), "--store", store.root, "--rules", "3")
    assert made.code == 0, made.err


def test_load_data_of_a_bundle_is_answered(
    tiny_store: Store, reflected: Reflected, tmp_path: Path
) -> None:
    load_data(tiny_store, tmp_path)
    requests = json.loads((tmp_path / "requests.json").read_text())
    replies = [reflected.call(METHOD, request) for request in requests[:5]]
    assert [len(reply["rule_reports"]) for reply in replies] == [3] * 5
    reasons = {own["reason"] for reply in replies for own in reply.get("degraded", [])}
    assert "DEGRADED_REASON_UNKNOWN_ITEMS" not in reasons


def test_the_data_frame_is_the_first_request(tiny_store: Store, tmp_path: Path) -> None:
    load_data(tiny_store, tmp_path)
    body = (tmp_path / "body.frame").read_bytes()
    first = recommender_pb2.RecommendRequest.FromString(body[5:])
    assert len(first.rules) == 3
    assert body == frame(body[5:])


def health_check(address: str) -> int:
    """Exit status of the container's health check."""
    return subprocess.run(
        [sys.executable, "-m", "service.healthcheck"],
        check=False,
        capture_output=True,
        env={**os.environ, "STEERREC_BIND": address},
    ).returncode


def test_the_health_check_passes_on_a_replica_that_serves(replica: Running) -> None:
    assert health_check(replica.grpc) == 0


def test_the_health_check_fails_where_nobody_listens() -> None:
    assert health_check("127.0.0.1:1") == 1
