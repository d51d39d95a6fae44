"""`steerrec load` against a real replica: it counts what it sent, and its exit status is honest."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.demo import metrics_page
from cli.demo.replica_process import Running, running
from model_store.store import Store
from tests.e2e.cli_runs import At, steerrec

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
CONFIGS = ("constant-rate", "step", "ramp", "soak")
BY_PROTO = (
    *("--proto", "proto/steerrec/v1/recommender.proto"),
    *("--import-paths", "proto,deploy/loadtest/include"),
)
needs_ghz = pytest.mark.skipif(shutil.which("ghz") is None, reason="ghz is not installed")


@pytest.fixture(scope="module")
def replica(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running replica."""
    with running(tmp_path_factory.mktemp("replica"), tiny_store.root) as own:
        yield own


@pytest.fixture(scope="module")
def at(replica: Running) -> At:
    """The command, pointed at it."""
    return At(replica.grpc)


@pytest.fixture(scope="module")
def data(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    """File of requests that the tiny bundle answers."""
    out = tmp_path_factory.mktemp("data")
    made = steerrec("load", "data", str(out), "--store", tiny_store.root, "--rules", "0,1,3")
    assert made.code == 0, made.err
    return str(out / "requests.json")


@pytest.fixture
def refused(tmp_path: Path) -> str:
    """File of a request that every replica refuses."""
    path = tmp_path / "refused.json"
    path.write_text(json.dumps([{"k": -1}, {"history": ["i3"]}]))
    return str(path)


def statuses(text: str) -> dict[str, int]:
    """The status codes of a printed table."""
    block = text.split("Status code distribution:\n")[1].split("\n\n", maxsplit=1)[0]
    pairs = (line.split()[:2] for line in block.splitlines())
    return {name.strip("[]"): int(count) for name, count in pairs}


def facts(text: str) -> dict[str, str]:
    """The summary of a printed table."""
    block = text.split("Summary:\n")[1].split("\n\n", maxsplit=1)[0]
    pairs = (line.split(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, value in pairs}


def test_the_table_counts_every_call(at: At, data: str) -> None:
    done = at("load", "--rate", "60", "--duration", "1s", "--data", data)
    assert done.code == 0, done.err
    assert statuses(done.out) == {"OK": 60}
    assert facts(done.out)["Count"] == "60"
    assert "  99 % in " in done.out


def test_each_step_has_its_row(at: At, data: str) -> None:
    steps = ("--rate", "20", "--to", "60", "--step", "20", "--step-duration", "500ms")
    done = at("load", "--profile", "step", *steps, "--data", data)
    rows = [line.split("│")[2].strip() for line in done.out.splitlines() if line.startswith("│")]
    assert rows[-3:] == ["20", "40", "60"]
    assert statuses(done.out) == {"OK": 10 + 20 + 30}


@pytest.mark.parametrize("profile", ["ramp", "closed"])
def test_other_profiles_make_as_many_calls_as_are_asked_for(
    at: At, data: str, profile: str
) -> None:
    done = at("load", "--profile", profile, "--total", "70", "--data", data, "--json")
    assert done.code == 0, done.err
    assert done.json["count"] == done.json["statusCodeDistribution"]["OK"] == 70


def test_processes_share_a_load(at: At, data: str) -> None:
    words = ("--rate", "80", "--total", "80", "--processes", "2", "--connections", "3")
    report = at("load", *words, "--data", data, "--json").json
    assert report["count"] == sum(window["count"] for window in report["windows"]) == 80


def test_a_config_of_ghz_runs_as_it_is(at: At, data: str, tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "name": "as-it-is",
        "host": at.address,
        "insecure": True,
        "call": "steerrec.v1.RecommenderService.Recommend",
        "async": True,
        "load-schedule": "line",
        "load-start": 10,
        "load-step": 10,
        "load-end": 30,
        "duration": "2s",
        "data-file": data,
    }
    path = tmp_path / "ramp.json"
    path.write_text(json.dumps(config))
    report = steerrec("load", "--config", str(path), "--json").json
    assert (report["name"], report["count"]) == ("as-it-is", 10 + 20)


def test_refused_calls_show_under_their_code_and_in_the_exit_status(at: At, refused: str) -> None:
    done = at("load", "--rate", "40", "--duration", "500ms", "--data", refused)
    assert done.code == 1
    assert statuses(done.out) == {"OK": 10, "InvalidArgument": 10}
    assert "InvalidArgument: 10 of 20 calls, 50 %" in done.err
    assert "desc = k: -1 is not within 1 to 1000" in done.out


def test_refused_calls_may_be_allowed(at: At, refused: str) -> None:
    words = ("--rate", "40", "--duration", "500ms", "--data", refused)
    done = at("load", *words, "--allow", "INVALID_ARGUMENT=0.5")
    assert done.code == 0, done.err


def test_an_absent_service_is_unavailable_and_nothing_is_sent(data: str, tmp_path: Path) -> None:
    config = {
        "host": "127.0.0.1:1",
        "insecure": True,
        "call": "steerrec.v1.RecommenderService.Recommend",
        "connect-timeout": "500ms",
        "data-file": data,
    }
    path = tmp_path / "absent.json"
    path.write_text(json.dumps(config))
    done = steerrec("load", "--config", str(path))
    assert (done.code, done.out) == (3, "")
    assert "no service answers at 127.0.0.1:1" in done.err


def test_faults_of_a_config_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"rsp": 5, "timeout": "5"}))
    done = steerrec("load", "--config", str(path))
    assert done.code == 1
    assert 'rsp: no option of ghz; did you mean "rps"?' in done.err
    assert 'timeout: "5" is no duration' in done.err


def ghz(config: str, address: str, *words: str) -> dict[str, Any]:
    """ghz's own report of one of our configs."""
    command = ["ghz", "--config", f"deploy/loadtest/{config}.json", "--format", "json"]
    printed = subprocess.check_output([*command, *words, address], cwd=ROOT)
    report: dict[str, Any] = json.loads(printed)
    return report


@needs_ghz
@pytest.mark.parametrize("config", CONFIGS)
def test_ghz_and_steerrec_load_make_the_same_load_of_a_config(
    at: At, data: str, config: str
) -> None:
    theirs = ghz(config, at.address, "--duration", "1s", "--data-file", data)
    path = str(ROOT / f"deploy/loadtest/{config}.json")
    ours = at("load", "--config", path, "--data", data, "--duration", "1s", "--json").json
    # ghz sends the first call after one interval, and may be late with the last ones
    assert theirs["count"] == pytest.approx(ours["count"], rel=0.2)
    assert set(theirs["statusCodeDistribution"]) == set(ours["statusCodeDistribution"]) == {"OK"}


@needs_ghz
@pytest.mark.parametrize("contract", [(), BY_PROTO], ids=["reflection", "proto"])
def test_ghz_takes_the_contract_from_either(at: At, data: str, contract: tuple[str, ...]) -> None:
    report = ghz("closed-loop", at.address, "--total", "64", "--data-file", data, *contract)
    assert report["statusCodeDistribution"] == {"OK": 64}


def answered(replica: Running) -> float:
    """Calls that the replica has answered so far, by its metrics."""
    families = text_string_to_metric_families(metrics_page.page(replica.metrics))
    samples = (own for family in families for own in family.samples)
    return sum(own.value for own in samples if own.name == "steerrec_requests_total")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupt_ends_it_with_what_was_measured(
    replica: Running, data: str, processes: str
) -> None:
    words = ("--rate", "50", "--duration", "10m", "--data", data, "--processes", processes)
    before = answered(replica)
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "load", *words, "--address", replica.grpc, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        while answered(replica) < before + 20:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of it
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    report = json.loads(out)
    assert report["endReason"] == "cancel"
    assert report["statusCodeDistribution"]["OK"] == report["count"] >= 20
