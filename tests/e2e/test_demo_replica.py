"""The demo's replica never outlives the demo."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from cli.demo import metrics_page
from cli.demo.replica_process import running
from cli.errors import Unavailable
from model_store.store import Store

pytestmark = pytest.mark.e2e


class DemoFailed(Exception):
    """What goes wrong in the middle of a demo."""


def pid_after(error: type[BaseException], store: Store, folder: Path) -> int:
    """Process id of a replica whose block an error ended."""
    pid = 0
    with suppress(error), running(folder, store.root) as replica:
        pid = replica.process.pid
        raise error
    return pid


@pytest.mark.parametrize("error", [DemoFailed, KeyboardInterrupt])
def test_an_error_stops_the_replica(
    error: type[BaseException], tiny_store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid_after(error, tiny_store, tmp_path), 0)


def test_the_embedded_redis_stops_with_the_replica(tiny_store: Store, tmp_path: Path) -> None:
    with running(tmp_path, tiny_store.root) as replica:
        group = os.getpgid(replica.process.pid)
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_a_replica_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable, match="no bundle or label is named 'production'"),
        running(tmp_path, str(tmp_path / "empty")),
    ):
        pass


def test_the_metrics_of_a_replica_become_tables(tiny_store: Store, tmp_path: Path) -> None:
    with running(tmp_path, tiny_store.root) as replica:
        titles = [
            str(made.title) for made in metrics_page.tables(metrics_page.page(replica.metrics))
        ]
    assert [title.partition(" (")[0] for title in titles] == ["requests", "time per stage", "rules"]
