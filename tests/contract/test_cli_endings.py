"""One place ends every command: no other prints a traceback, and every entry goes through it."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from cli.exit_code import ExitCode

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path.relative_to(ROOT) for room in ("cli", "loadtest") for path in (ROOT / room).rglob("*.py")
)
REPORT = Path("cli/fault_report.py")
"""The only module that may format a traceback."""
PRINTERS = {"traceback", "faulthandler", "cgitb"}
HOOKS = {"excepthook", "print_exc", "print_exception", "format_exc", "print_stack", "exc_info"}


def printers(source: str) -> set[str]:
    """What of a module could print a traceback."""
    tree = ast.parse(source)
    names = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names & PRINTERS | attributes & HOOKS


@pytest.mark.parametrize("module", [path for path in MODULES if path != REPORT], ids=str)
def test_only_the_fault_report_formats_a_traceback(module: Path) -> None:
    assert printers((ROOT / module).read_text()) == set()


def test_a_module_that_prints_a_traceback_is_found() -> None:
    assert printers("import traceback\ntraceback.print_exc()") == {"traceback", "print_exc"}


def test_the_installed_command_goes_through_the_handler() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"steerrec": "cli.main:app"}


def test_the_package_run_as_a_program_goes_through_the_handler() -> None:
    assert "from cli.main import app\n" in (ROOT / "cli" / "__main__.py").read_text()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_of_the_command_line_is_a_program_of_its_own(module: Path) -> None:
    source = (ROOT / module).read_text()
    assert "__main__" not in source or module == Path("cli/__main__.py")


def test_the_handler_imports_nothing_that_an_install_may_lack() -> None:
    imported = re.findall(r"^(?:from|import) (\w+)", (ROOT / "cli/main.py").read_text(), re.M)
    assert set(imported) <= {"sys", "collections", "typing"}


def test_every_exit_status_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    rows = re.findall(r"^\| (\d+) \|", page, re.M)
    assert [int(row) for row in rows] == [code.value for code in ExitCode]
