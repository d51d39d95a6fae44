import json
import logging
from collections.abc import Iterator

import pytest

from service.logs import ROOM, JsonFormatter, TextFormatter, configure_logs
from service.request_id import REQUEST_ID
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
