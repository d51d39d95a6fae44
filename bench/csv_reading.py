"""What the strict reading of a CSV file costs: `python -m bench.csv_reading [--rows N]`."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from training.data import data_config, read_dataset
from training.data.delimited import read_delimited

HEADER = "user_id,item_id,timestamp,title\n"


def main() -> None:
    """Print the processor seconds of reading files of so many rows: fields alone, and all of it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        for name, row in (
            ("numbers as times", 'u{user},i{item},{number},"12"" {item}"\n'),
            ("ISO 8601 times", "u{user},i{item},2024-01-01T00:00:00.{number:09}Z,title\n"),
        ):
            path = Path(folder, f"{name}.csv")
            _write(path, row, n_rows)
            _time(name, path)


def _write(path: Path, row: str, n_rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for number in range(n_rows):
            user, item = number * 7 % 6_007, number * 11 % 4_001
            file.write(row.format(user=user, item=item, number=number))


def _time(name: str, path: Path) -> None:
    config = data_config({"interactions": {"path": path}})
    fields = _seconds(lambda: read_delimited(config.interactions, "interactions", ",", "doubled"))
    whole = _seconds(lambda: read_dataset(config))
    print(f"{name}: fields {fields:.1f} s, whole data set {whole:.1f} s of processor time")


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
