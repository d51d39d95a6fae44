"""The benchmark runs from end to end; its figures are nobody's promise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.processes import service
from bench.serving import RECOMMEND
from model_store.store import Store

pytestmark = pytest.mark.e2e


def test_the_quick_table_has_a_row_for_everything(tiny_store: Store) -> None:
    command = [sys.executable, "-m", "bench.serving", "--store", tiny_store.root, "--quick"]
    printed = subprocess.check_output(command, text=True)
    rows = [line.split("|")[1] for line in printed.splitlines() if line.startswith("| ")]
    kinds = [row.partition(",")[0].strip() for row in rows[1:]]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "empty handler": 3,
        "model": 6,
        "model and edits": 3,
        "service": 6,
    }
    assert " 0 refused calls" in printed


def test_a_load_that_is_refused_has_no_rate(tiny_store: Store, tmp_path: Path) -> None:
    requests = tmp_path / "requests.json"
    requests.write_text(json.dumps([b"not a request".hex()]))
    with service(tiny_store.root, tmp_path) as address:
        load = [sys.executable, "-m", "bench.closed_loop", address, RECOMMEND, str(requests)]
        done = subprocess.run([*load, "2", "0.2"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("no call was answered")


def test_the_table_of_targeting_has_a_row_for_every_count(tiny_store: Store) -> None:
    command = [sys.executable, "-m", "bench.targeting", "--store", tiny_store.root]
    printed = subprocess.check_output(
        [*command, "--repetitions", "1", "--requests", "3"], text=True
    )
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("| ")]
    assert rows == ["defaults", "0", "1", "10", "64"]


def test_the_table_of_servers_has_ours_where_no_other_is_wanted(tiny_store: Store) -> None:
    command = [sys.executable, "-m", "bench.peers", "--store", tiny_store.root, "--quick"]
    printed = subprocess.check_output([*command, "--peers"], text=True)
    rows = [line.split("|")[1:4] for line in printed.splitlines() if line.startswith("| steerrec")]
    found = [(tuning.strip(), load.strip()) for _, tuning, load in rows]
    closed = [row for row in found if row[1].endswith("in flight")]
    assert closed == [
        (tuning, f"{in_flight} in flight")
        for in_flight in (1, 8, 64)
        for tuning in ("one process", "--workers 2")
    ]


def test_a_bundle_that_no_other_server_can_run_is_said_in_a_line(tiny_store: Store) -> None:
    command = [sys.executable, "-m", "bench.peers", "--store", tiny_store.root, "--quick"]
    printed = subprocess.check_output([*command, "--peers", "mosec"], text=True)
    assert "missing: every other server: the graph cannot be exported" in printed


def test_the_table_of_many_has_a_row_for_every_way(tiny_store: Store) -> None:
    command = [sys.executable, "-m", "bench.many", "--store", tiny_store.root]
    printed = subprocess.check_output(
        [*command, "--repetitions", "1", "--seconds", "0.2"], text=True
    )
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("| ")]
    kinds = [row.partition(",")[0].partition(" of ")[0] for row in rows[1:]]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "model": 1,
        "model and edits": 1,
        "Recommend": 2,
        "BatchRecommend": 7,
        "StreamRecommend": 4,
    }
