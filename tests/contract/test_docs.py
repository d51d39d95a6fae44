"""What the pages point to exists."""

import re
from pathlib import Path

import pytest

from tests.contract.walls import ROOMS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = sorted((ROOMS - {"console"}) | {"deploy", "docs", "proto", "tests"})


def dead_links(page: Path, text: str) -> list[str]:
    """Relative links of the page that lead nowhere."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    inside = (link for link in links if "://" not in link)
    return [link for link in inside if not (page.parent / link).exists()]


def dead_paths(text: str) -> list[str]:
    """Files of ours that the text names in code, and that are not there."""
    named = re.findall(rf"(?:{'|'.join(FOLDERS)})/[\w./-]+\.(?:py|json|yaml|md|proto)\b", text)
    return [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead_links(page, page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    assert dead_paths(page.read_text()) == []


def test_a_dead_link_is_found() -> None:
    assert dead_links(ROOT / "README.md", "[here](docs/nowhere.md#part)") == ["docs/nowhere.md"]


def test_a_dead_path_is_found() -> None:
    assert dead_paths("run `bench/nothing.py`") == ["bench/nothing.py"]
