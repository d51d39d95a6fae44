import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.logs import ROOM, JsonFormatter, TextFormatter, configure_logs
from service.request_id import REQUEST_ID, named_by
from service.settings import LogFormat, LogLevel


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The room's logger as it was, after a test that configured it."""
    handlers, level, propagate = ROOM.handlers[:], ROOM.level, ROOM.propagate
    yield
    ROOM.handlers[:], ROOM.propagate = handlers, propagate
    ROOM.setLevel(level)


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("service.x", logging.WARNING, "x.py", 1, message, (), None)


def test_a_json_line_is_one_object() -> None:
    line = json.loads(JsonFormatter().format(record("two\nlines")))
    assert (line["level"], line["logger"], line["message"]) == (
        "warning",
        "service.x",
        "two\nlines",
    )


def test_a_line_names_the_request_it_belongs_to() -> None:
    token = REQUEST_ID.set("mine")
    try:
        assert "service.x [mine]: hello" in TextFormatter().format(record("hello"))
    finally:
        REQUEST_ID.reset(token)


def test_a_line_outside_calls_names_no_request() -> None:
    assert "service.x: hello" in TextFormatter().format(record("hello"))


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.WARNING, LogFormat.JSON)
    logging.getLogger("service.x").info("hidden")
    assert capsys.readouterr().err == ""


def test_configuring_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.TEXT)
    configure_logs(LogLevel.INFO, LogFormat.TEXT)
    logging.getLogger("service.x").info("hello")
    assert capsys.readouterr().err.count("hello") == 1


def test_a_text_line_of_a_worker_names_it() -> None:
    assert " w1 service.x: hello" in TextFormatter("w1").format(record("hello"))


def test_a_json_line_of_a_worker_names_it() -> None:
    assert json.loads(JsonFormatter("w1").format(record("hello")))["worker"] == "w1"


HOSTILE = [
    "a\n2026-01-01 00:00:00,000 INFO    service.x: forged",
    "a\r\nb",
    "a\x1b[31mred",
    "a\x00b",
    "a\u2028b",
    "a\x85b",
    "a\u202eb",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_a_line_is_one_printable_line(
    text: str, kind: type[TextFormatter] | type[JsonFormatter]
) -> None:
    with named_by(text):
        line = kind().format(record(text))
    assert line.isprintable()
    line.encode()


def test_no_line_of_a_traceback_looks_like_one_of_the_log() -> None:
    own = record("failed")
    try:
        int(HOSTILE[0])
    except ValueError:
        own.exc_info = sys.exc_info()
    first, *others = TextFormatter().format(own).split("\n")
    assert first.endswith("failed")
    assert [line for line in others if not line.startswith("    ")] == []


def test_a_json_line_can_be_written_in_any_encoding() -> None:
    assert JsonFormatter().format(record("Ünï")).isascii()


def test_a_json_line_has_the_facts_of_its_record() -> None:
    own = record("refused")
    own.facts = {"reason": "OVERLOADED"}
    assert json.loads(JsonFormatter().format(own))["reason"] == "OVERLOADED"


LOGGING = """
import logging
from service.logs import configure_logs
from service.settings import LogFormat, LogLevel
configure_logs(LogLevel.INFO, LogFormat.TEXT)
logging.getLogger("service.x").info("Zo\\u00eb")
print("done", open("/dev/null").fileno() > 2)
"""


@pytest.mark.parametrize(
    ("redirection", "environ"),
    [
        ("2>&-", {}),
        ("2>&- <&-", {}),
        ("2>/dev/full", {}),
        ("2>/dev/null", {"PYTHONIOENCODING": "ascii"}),
        ("2>/dev/null", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ],
)
def test_a_log_that_cannot_be_written_stops_nothing(
    redirection: str, environ: dict[str, str]
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, LOGGING],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
    )
    assert done.stdout == "done True\n"


def test_a_reader_of_the_log_that_is_gone_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", LOGGING], check=False, stdout=subprocess.PIPE, stderr=writer
    )
    os.close(writer)
    assert done.stdout == b"done True\n"
