"""The contract passes `buf lint`: its STANDARD rules, and a comment on every part."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.stubs import SOURCE, imported_protos

BUF = Path(sys.executable).with_name("buf")
IMPORTED = ("google/rpc/status.proto", "google/type/dayofweek.proto", "google/type/timeofday.proto")
"""The imports that buf does not bring along."""
CONFIG = {
    "version": "v2",
    "modules": [
        {"path": "proto", "lint": {"use": ["STANDARD", "COMMENTS"]}},
        {"path": "imported", "lint": {"ignore": ["imported"]}},
    ],
}


def findings(workspace: Path) -> list[str]:
    """What buf finds in the workspace's protos, e.g. "FIELD_LOWER_SNAKE_CASE"."""
    done = subprocess.run(
        [BUF, "lint", "--config", json.dumps(CONFIG), "--error-format", "json"],
        cwd=workspace,
        env={**os.environ, "BUF_CACHE_DIR": str(workspace / "cache")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, 100}, done.stderr
    found = (json.loads(line) for line in done.stdout.splitlines())
    return [f"{fault['type']}: {fault['message']}" for fault in found]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of the contract, with what it imports beside it."""
    for path in SOURCE.rglob("*.proto"):
        copy = tmp_path / "proto" / path.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for name in IMPORTED:
        imported = tmp_path / "imported" / name
        imported.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(imported_protos() / name, imported)
    return tmp_path


def test_the_contract_has_no_findings(workspace: Path) -> None:
    assert findings(workspace) == []


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ("message M {}", "COMMENT_MESSAGE"),
        ("// M.\nmessage M { string a = 1; }", "COMMENT_FIELD"),
        ("// M.\nmessage M {\n  // A.\n  string camelCase = 1;\n}", "FIELD_LOWER_SNAKE_CASE"),
        ("// E.\nenum E {\n  // Zero.\n  E_NONE = 0;\n}", "ENUM_ZERO_VALUE_SUFFIX"),
        ("// E.\nenum E {\n  // Zero.\n  UNSPECIFIED = 0;\n}", "ENUM_VALUE_PREFIX"),
        ("// S.\nservice Shop {}", "SERVICE_SUFFIX"),
        (
            "// S.\nservice AService {\n  // Does.\n  rpc Do(Rule) returns (Rule);\n}",
            "RPC_REQUEST_STANDARD_NAME",
        ),
    ],
)
def test_a_fault_is_found(workspace: Path, bad: str, rule: str) -> None:
    path = workspace / "proto/steerrec/v1/rule.proto"
    path.write_text(f"{path.read_text()}\n{bad}\n")
    assert rule in {fault.partition(":")[0] for fault in findings(workspace)}


def test_a_package_that_is_not_its_folder_is_found(workspace: Path) -> None:
    path = workspace / "proto/steerrec/v2/stray.proto"
    path.parent.mkdir()
    path.write_text('syntax = "proto3";\n\npackage steerrec.v3;\n')
    assert any("PACKAGE_DIRECTORY_MATCH" in fault for fault in findings(workspace))
