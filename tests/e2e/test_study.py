"""The whole study, shrunk: what `steerrec study --quick` does on ml-100k, start to end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cli_runs import Finished, steerrec
from training.study.command import NAMES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MAY_LINK = {"a"}
"""What may name another place: nothing is loaded before a reader clicks."""

ANCHORS = {"frontier": "control"}
"""Of the parts whose section has another name."""


class _Loads(HTMLParser):
    """What a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            is_address = name in ("src", "href", "data", "srcset", "xlink:href")
            if is_address and tag not in MAY_LINK and not (value or "").startswith("#"):
                self.loaded.append(f"{tag} {name}={value}")


def words(out: Path, work: Path) -> list[str]:
    return ["study", "--data", "ml-100k", "--quick", "--out", str(out), "--work-dir", str(work)]


@pytest.fixture(scope="module")
def work(bundle_dir: Path) -> Path:
    """The tests' own trainings, which the quick form shares."""
    return bundle_dir.parent / "work"


@pytest.fixture(scope="module")
def out(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study that ran from start to end."""
    folder = tmp_path_factory.mktemp("study")
    done = steerrec(*words(folder, work), timeout_s=400)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def page(out: Path) -> str:
    return (out / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record(out: Path) -> Any:
    return json.loads((out / "study.json").read_text())


@pytest.mark.parametrize("part", NAMES)
def test_every_part_has_its_figures_on_record(record: Any, part: str) -> None:
    assert record[part]
    assert record["seconds"][part] == record["made"][part]["seconds"]


@pytest.mark.parametrize("part", NAMES)
def test_every_part_has_its_section_in_the_report(page: str, part: str) -> None:
    assert f'<section id="{ANCHORS.get(part, part)}"' in page


def test_the_report_misses_no_part(page: str) -> None:
    assert "has not run" not in page


def test_the_report_loads_nothing(page: str) -> None:
    parser = _Loads()
    parser.feed(page)
    assert parser.loaded == []
    assert re.findall(r"url\((?!#)[^)]*\)|@import", page) == []


def test_the_record_says_how_to_run_it_again(record: Any) -> None:
    origin = record["origin"]
    assert origin["command"].startswith("steerrec study --data ml-100k")
    assert (origin["seeds"], origin["is_quick"]) == ([0, 1], True)
    assert "torch" in origin["machine"]


def test_the_tables_are_markdown(out: Path) -> None:
    assert "\n|---|---" in (out / "study.md").read_text()


def test_a_second_run_does_nothing_again(out: Path, work: Path) -> None:
    again = steerrec(*words(out, work), timeout_s=240)
    assert again.code == 0
    assert [line for line in again.err.splitlines() if "began" in line] == []


def test_ctrl_c_ends_with_its_code_and_the_study_goes_on(work: Path, tmp_path: Path) -> None:
    asked = [*words(tmp_path, work), "--parts", "interpretation"]
    stopped = interrupted(asked, when="interpretation: began")
    assert (stopped.code, "the same command goes on from here" in stopped.err) == (130, True)
    assert "sweep: done before" in steerrec(*asked, timeout_s=240).err


def interrupted(asked: list[str], *, when: str) -> Finished:
    """The command, sent Ctrl-C once it says something."""
    command = [sys.executable, "-m", "cli", *asked]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    said, began = "", time.monotonic()
    assert process.stderr is not None
    while when not in said and time.monotonic() - began < 120:
        said += os.read(process.stderr.fileno(), 4096).decode()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    return Finished(process.returncode, "", said + rest.decode())
