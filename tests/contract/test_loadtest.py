"""The ghz files of deploy/loadtest run as they are: what stock ghz would refuse is found here."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from steerrec.v1 import feature_pb2, model_pb2, preset_pb2, recommender_pb2

from cli.load_config import PROFILES, load_from
from loadtest.errors import LoadRefused
from loadtest.ghz_config import OPTIONS as READ_HERE
from loadtest.ghz_config import load_of
from service.settings import Settings
from tests.contract.stubs import imported_protos

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/loadtest"
DATA = FOLDER / "requests.json"
CONFIGS = sorted(set(FOLDER.glob("*.json")) - {DATA})
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
"""What ghz reads from a config (runner/config.go, as of May 2026); it ignores other names."""
GO_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+")


def faults(config: dict[str, Any]) -> list[str]:
    """What stock ghz would refuse, or silently not do."""
    return [*_option_faults(config), *_schedule_faults(config), *_call_faults(config)]


def _option_faults(config: dict[str, Any]) -> Iterator[str]:
    for name in config.keys() - OPTIONS:
        yield f"{name}: no option of ghz"
    for name in config.keys() & DURATIONS:
        if not isinstance(config[name], str) or not GO_DURATION.fullmatch(config[name]):
            yield f"{name}: not a duration of Go"
    if config.get("connections", 1) > config.get("concurrency", 50):
        yield "connections: more than concurrency"
    if "total" in config and config.keys() & {"duration", "max-duration"}:
        yield "total: not heeded beside a duration"
    if "rps" in config and not config.get("async"):
        yield "async: without it a slow answer delays the calls after it"


def _schedule_faults(config: dict[str, Any]) -> Iterator[str]:
    """What ghz's NewConfig refuses, and what its pacers panic at."""
    schedule = config.get("load-schedule", "const")
    if schedule not in {"const", "step", "line"}:
        yield f"load-schedule: no {schedule}"
    if schedule == "const":
        return
    if not config.get("async"):
        yield "async: without it a slow answer delays the calls after it"
    if not config.get("load-start") or config.get("load-start") == config.get("load-end"):
        yield "load-start: 0, or load-end"
    if not config.get("load-step"):
        yield "load-step: 0"
    if schedule == "step" and "load-step-duration" not in config:
        yield "load-step-duration: missing"


def _call_faults(config: dict[str, Any]) -> Iterator[str]:
    service, _, method = config["call"].replace("/", ".").rpartition(".")
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    except KeyError:
        yield f"{config['call']}: no such method"
        return
    for index, element in enumerate(data_of(config)):
        if fault := _data_fault(element, GetMessageClass(found.input_type)()):
            yield f"data[{index}]: {fault}"


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


def data_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Its requests; the file goes before what stands in the config, as in ghz."""
    path = config.get("data-file")
    data: list[dict[str, Any]] = json.loads((ROOT / path).read_text()) if path else config["data"]
    return data


each_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def test_every_profile_has_a_config() -> None:
    names = {"closed-loop", "closed-loop-by-proto", "constant-rate", "step", "ramp", "soak"}
    assert {path.stem for path in CONFIGS} == names


@each_config
def test_ghz_would_take_the_config(path: Path) -> None:
    assert faults(read(path)) == []


@each_config
def test_the_config_asks_the_service_at_its_default_address(path: Path) -> None:
    config = read(path)
    assert (config["host"], config["insecure"]) == (Settings.model_fields["bind"].default, True)


def test_no_request_comes_twice() -> None:
    data = [json.dumps(element, sort_keys=True) for element in json.loads(DATA.read_text())]
    assert len(set(data)) == len(data) >= 100


def test_ghz_sees_an_array_in_the_data_file() -> None:
    assert DATA.read_text()[0] == "["


def test_requests_have_few_and_many_rules() -> None:
    counts = {len(element.get("rules", ())) for element in json.loads(DATA.read_text())}
    assert {0, 1, 5} <= counts


@each_config
def test_data_are_sent_as_they_are(path: Path) -> None:
    config = read(path)
    assert config["disable-template-functions"]
    assert config["disable-template-data"]


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


def test_the_imported_proto_is_the_installed_one() -> None:
    name = "google/rpc/status.proto"
    assert (FOLDER / "include" / name).read_text() == (imported_protos() / name).read_text()


def test_steerrec_load_knows_every_option_of_ghz_and_no_other() -> None:
    assert READ_HERE == OPTIONS


@each_config
def test_steerrec_load_reads_the_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = read(path)
    assert len(load_of(config).requests) == len(data_of(config))


@pytest.mark.parametrize(
    ("profile", "config"),
    [
        ("closed", "closed-loop"),
        ("constant", "constant-rate"),
        ("step", "step"),
        ("ramp", "ramp"),
        ("soak", "soak"),
    ],
)
def test_a_profile_is_the_config_of_the_same_load(
    profile: str, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    given = {"data-file": str(DATA)}
    own = load_from(None, profile, given, max_in_flight=None, processes=1)
    assert own == replace(load_of(read(FOLDER / f"{config}.json")), name=profile)


def test_there_is_a_config_for_every_profile_of_steerrec_load() -> None:
    assert set(PROFILES) == {"closed", "constant", "step", "ramp", "soak"}


STEP = read(FOLDER / "step.json")
INLINE: dict[str, Any] = {"data-file": ""}


@pytest.mark.parametrize(
    "change",
    [
        {"qps": 5},
        {"timeout": "5"},
        {"timeout": 5},
        {"connections": 100},
        {"total": 100},
        {"async": False},
        {"load-schedule": "linear"},
        {"load-start": 400},
        {"load-step": 0},
        {"call": "steerrec.v1.RecommenderService.Recommended"},
        {"call": "steerrec.v1.Recommender/Recommend"},
        {"data": [{"histories": ["1"]}]} | INLINE,
        {"data": [{"history": ["1"], "rules": [{"operation": "ADD"}]}]} | INLINE,
        {"data": [{"k": "many"}]} | INLINE,
    ],
    ids=str,
)
def test_a_fault_is_found(change: dict[str, Any]) -> None:
    assert len(faults(STEP | change)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"qps": 5},
        {"timeout": "5"},
        {"connections": 100},
        {"total": 100},
        {"load-schedule": "linear"},
        {"load-start": 400},
        {"load-step": 0},
        {"load-step-duration": "0s"},
        {"call": "steerrec.v1.RecommenderService.Recommended"},
        {"data": [{"histories": ["1"]}]} | INLINE,
        {"data": [{"k": "many"}]} | INLINE,
        {"data": []} | INLINE,
        {"data-file": "nowhere.json"},
        {"concurrency-schedule": "step"},
        {"rps": 5},
        {"host": ""},
        {"data": {"request_id": "{{newUUID}}"}, "disable-template-functions": False} | INLINE,
    ],
    ids=str,
)
def test_steerrec_load_refuses_the_fault_by_the_options_name(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(LoadRefused) as refused:
        load_of(STEP | change)
    assert len(refused.value.faults) == 1
    name = str(change["data-file"]) if change.get("data-file") else next(iter(change))
    assert refused.value.faults[0].startswith((name, "load-end"))
