"""`steerrec recommend --histories`: many users over one stream."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.demo.replica_process import running
from model_store.store import Store
from tests.e2e.cli_runs import At

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def at(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    """The command, pointed at a running replica."""
    with running(tmp_path_factory.mktemp("replica"), tiny_store.root) as replica:
        yield At(replica.grpc)


def users(path: Path, count: int) -> str:
    """A file of so many histories."""
    lines = (json.dumps({"history": [f"i{1 + i % 40}", f"i{2 + i % 40}"]}) for i in range(count))
    file = path / "users.jsonl"
    file.write_text("\n".join(lines))
    return str(file)


def told(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def test_every_history_gets_a_line_in_order(at: At, tmp_path: Path) -> None:
    lines = told(at("recommend", "--histories", users(tmp_path, 300)).out)
    assert [line["number"] for line in lines] == list(range(1, 301))


def test_a_line_holds_what_the_history_alone_gets(at: At, tmp_path: Path) -> None:
    (line,) = told(at("recommend", "--histories", users(tmp_path, 1), "-k", "3").out)
    alone = at("recommend", "i1", "i2", "-k", "3", "--json").json
    got = [item["item_id"] for item in line["response"]["items"]]
    assert got == [item["item_id"] for item in alone["items"]]


def test_rules_apply_to_every_history(at: At, tmp_path: Path) -> None:
    rule = ("--rule", "genre=Horror:ADD:1")
    lines = told(at("recommend", "--histories", users(tmp_path, 2), *rule).out)
    assert [len(line["response"]["rule_reports"]) for line in lines] == [1, 1]


def test_a_refused_history_has_a_line_that_says_why(at: At, tmp_path: Path) -> None:
    lines = told(at("recommend", "--histories", users(tmp_path, 2), "--preset", "nobody").out)
    assert [line["error"]["code"] for line in lines] == ["NOT_FOUND", "NOT_FOUND"]


def test_refused_histories_end_the_command_with_their_number(at: At, tmp_path: Path) -> None:
    done = at("recommend", "--histories", users(tmp_path, 2), "--preset", "nobody")
    assert (done.code, done.err) == (1, "error: 2 of 2 histories were refused; see their lines\n")


def test_histories_go_with_no_item_ids(at: At, tmp_path: Path) -> None:
    assert at("recommend", "i1", "--histories", users(tmp_path, 2)).code == 2
