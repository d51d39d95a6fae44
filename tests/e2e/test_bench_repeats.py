"""The benchmark of repeated histories runs from end to end; its figures are nobody's promise."""

import subprocess
import sys

import pytest

from model_store.store import Store

pytestmark = pytest.mark.e2e


def test_the_quick_table_compares_what_is_kept_at_every_load(tiny_store: Store) -> None:
    command = [sys.executable, "-m", "bench.serving", "--store", tiny_store.root, "--quick"]
    printed = subprocess.check_output([*command, "--repeated", "0.3"], text=True)
    _, _, compared = printed.partition("with states kept")
    rows = [line.split("|")[1].strip() for line in compared.splitlines() if line.startswith("| ")]
    assert rows == [
        f"{rules} rules, {in_flight} in flight" for rules in ("no", "5") for in_flight in (1, 8, 64)
    ]
