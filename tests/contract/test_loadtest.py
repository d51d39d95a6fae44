"""The ghz files of deploy/loadtest run as they are: what stock ghz would refuse is found here."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from steerrec.v1 import feature_pb2, model_pb2, preset_pb2, recommender_pb2

from service.settings import Settings
from tests.contract.stubs import imported_protos

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/loadtest"
CONFIGS = sorted(FOLDER.glob("*.json"))
CONTRACT = (feature_pb2, model_pb2, preset_pb2, recommender_pb2)
"""Imported, so that their services are in the default pool."""
DURATIONS = {
    *("duration", "max-duration", "timeout", "stream-interval", "stream-call-duration"),
    *("connect-timeout", "keepalive"),
    *("load-step-duration", "load-max-duration"),
    *("concurrency-step-duration", "concurrency-max-duration"),
}
OPTIONS = DURATIONS | {
    *("proto", "protoset", "call", "cacert", "cert", "key", "count-errors", "skipTLS"),
    *("skipFirst", "cname", "authority", "insecure", "total", "async", "concurrency"),
    *("concurrency-schedule", "concurrency-start", "concurrency-end", "concurrency-step"),
    *("connections", "rps", "duration-stop", "data", "data-file", "binary-file", "metadata"),
    *("metadata-file", "stream-call-count", "stream-dynamic-messages", "output", "format"),
    *("cpus", "import-paths", "name", "tags", "reflect-metadata", "debug", "host"),
    *("enable-compression", "load-schedule", "load-start", "load-end", "load-step"),
    *("lb-strategy", "max-recv-message-size", "max-send-message-size"),
    *("disable-template-functions", "disable-template-data"),
}
"""What ghz 0.121 reads from a config; it ignores other names, so a typo would go unseen."""
GO_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+")


def faults(config: dict[str, Any]) -> list[str]:
    """What stock ghz would refuse, or silently not do."""
    unknown = [f"{name}: no option of ghz" for name in config.keys() - OPTIONS]
    durations = [
        f"{name}: not a duration of Go"
        for name in config.keys() & DURATIONS
        if not GO_DURATION.fullmatch(str(config[name]))
    ]
    return unknown + durations + _call_faults(config)


def _call_faults(config: dict[str, Any]) -> list[str]:
    service, _, method = config["call"].replace("/", ".").rpartition(".")
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    except KeyError:
        return [f"{config['call']}: no such method"]
    return [
        f"data[{index}]: {fault}"
        for index, element in enumerate(config["data"])
        if (fault := _data_fault(element, GetMessageClass(found.input_type)()))
    ]


def _data_fault(element: dict[str, Any], request: Message) -> str:
    try:
        ParseDict(element, request)
    except ParseError as error:
        return str(error)
    return ""


def read(path: Path) -> dict[str, Any]:
    """A config."""
    config: dict[str, Any] = json.loads(path.read_text())
    return config


def test_there_are_configs() -> None:
    assert len(CONFIGS) >= 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_ghz_would_take_the_config(path: Path) -> None:
    assert faults(read(path)) == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_config_asks_the_service_at_its_default_address(path: Path) -> None:
    config = read(path)
    assert (config["host"], config["insecure"]) == (Settings.model_fields["bind"].default, True)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_neighbouring_requests_differ(path: Path) -> None:
    data = [json.dumps(element) for element in read(path)["data"]]
    assert len(set(data)) == len(data) >= 8


@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if "proto" in read(path)], ids=lambda path: path.stem
)
def test_the_proto_compiles_with_the_configs_own_import_paths(path: Path, tmp_path: Path) -> None:
    config = read(path)
    paths = [word for folder in config["import-paths"] for word in ("-I", folder)]
    command = [sys.executable, "-m", "grpc_tools.protoc", *paths, config["proto"]]
    out = tmp_path / "descriptors"
    subprocess.run([*command, f"--descriptor_set_out={out}"], cwd=ROOT, check=True)
    assert out.stat().st_size > 0


def test_both_ways_to_the_contract_are_offered() -> None:
    assert {"proto" in read(path) for path in CONFIGS} == {True, False}


def test_both_kinds_of_load_are_offered() -> None:
    assert {"rps" in read(path) for path in CONFIGS} == {True, False}


def test_the_imported_proto_is_the_installed_one() -> None:
    name = "google/rpc/status.proto"
    assert (FOLDER / "include" / name).read_text() == (imported_protos() / name).read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"qps": 5},
        {"timeout": "5"},
        {"call": "steerrec.v1.RecommenderService.Recommended"},
        {"call": "steerrec.v1.Recommender/Recommend"},
        {"data": [{"histories": ["1"]}]},
        {"data": [{"history": ["1"], "rules": [{"operation": "ADD"}]}]},
        {"data": [{"k": "many"}]},
    ],
    ids=str,
)
def test_a_fault_is_found(change: dict[str, Any]) -> None:
    assert len(faults(read(CONFIGS[0]) | change)) == 1
