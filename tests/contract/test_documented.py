"""Settings, errors and metrics are listed in docs, all of them and nothing else."""

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from service.metrics import Metrics
from service.settings import PREFIX, Settings
from service.status import TABLE

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str, first: str) -> list[list[str]]:
    """Cells of the page's table rows whose first cell matches `first`, without backticks."""
    lines = (DOCS / page).read_text().splitlines()
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if re.fullmatch(first, row[0])]


def test_every_setting_is_documented_in_its_own_words() -> None:
    documented = {row[0]: row[2] for row in rows("settings.md", f"{PREFIX}[A-Z_]+")}
    actual = {f"{PREFIX}{n.upper()}": f.description for n, f in Settings.model_fields.items()}
    assert {name: text.replace("`", "") for name, text in documented.items()} == {
        name: (text or "").replace("`", "") for name, text in actual.items()
    }


def test_every_default_is_documented() -> None:
    documented = {row[0]: row[1] for row in rows("settings.md", f"{PREFIX}[A-Z_]+")}
    for name, field in Settings.model_fields.items():
        if field.default not in (None, "", PydanticUndefined):
            assert documented[f"{PREFIX}{name.upper()}"] == as_variable(field.default)


def as_variable(value: object) -> str:
    """How the environment would spell a value."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_error_of_the_table_is_documented() -> None:
    documented = {(row[0], row[1], row[2]) for row in rows("errors.md", "[A-Z][A-Za-z]+")}
    actual = {(kind.__name__, answer.code.name, answer.reason) for kind, answer in TABLE.items()}
    assert documented == actual


def test_every_metric_is_documented() -> None:
    documented = {
        (row[0].removesuffix("_total"), row[1]) for row in rows("metrics.md", "steerrec_.*")
    }
    actual = {(metric.name, metric.type) for metric in Metrics().registry.collect()}
    assert documented == actual
