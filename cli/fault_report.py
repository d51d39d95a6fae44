"""The report of a fault of steerrec itself: a file that a person can read and pass on.

The only place of the command line that formats a traceback.
"""

import os
import platform
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

DEBUG_VARIABLE = "STEERREC_CLIENT_DEBUG"
"""Set to anything: the report goes to stderr instead of a file."""
PACKAGES = (
    *("steerrec", "grpcio", "protobuf", "typer", "rich", "pydantic", "numpy", "onnxruntime"),
    *("redis", "polars", "torch"),
)
"""Whose versions a report holds."""
MAX_MESSAGE = 300
"""Characters of the error's text in the sentence."""
MASK = "***"
USER_INFO = re.compile(r"(?<=://)[^\s/@]*@")
"""User and password of a URL."""
ASSIGNED_SECRET = re.compile(
    r"(?i)((?:pass|passwd|password|secret|token|credential|signature|sig|[a-z_-]*key)s?[\"']?\s*[=:]"
    r"\s*)(?!//)(\"[^\"]*\"|'[^']*'|[^\s&,;\"']+)"
)
"""`password=...`, `token: ...`, and the like."""
BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
SECRET_NAME = re.compile(r"(?i)pass|secret|token|credential|key|auth|redis_url|proxy|dsn")
"""Of variables whose values are not shown, wherever they stand."""
MIN_SECRET = 5
"""Characters of a value that is masked wherever it stands: a shorter one is part of any word."""


def reported(error: BaseException, words: Sequence[str]) -> str:
    """The sentence that says whose fault it is, and where the report is."""
    text = masked(report(error, words), os.environ)
    said = masked(_last_line(error), os.environ)
    whose = f"this is a fault of steerrec, not of your input: {said}"
    path = None if os.environ.get(DEBUG_VARIABLE) else written(text)
    if path is None:
        return f"{whose}\n  please report it with what follows\n\n{text}"
    return (
        f"{whose}\n  please report it with the file {path}; passwords and tokens in it are "
        "masked, read it before you pass it on"
    )


def report(error: BaseException, words: Sequence[str]) -> str:
    """Versions, command line, environment and traceback."""
    lines = [
        "A fault of steerrec: what whoever mends it wants to know.",
        "",
        f"command: {shlex.join(['steerrec', *words])}",
        f"python: {sys.version.split()[0]} on {platform.platform()}",
        *(f"{name}: {version}" for name, version in _versions()),
        *(f"variable: {name}={value}" for name, value in _variables(os.environ)),
        "",
        *traceback.format_exception(error),
    ]
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"


def written(text: str) -> Path | None:
    """The new file that holds the text, in the temp folder or else here; None: nowhere."""
    for folder in _folders():
        with suppress(OSError):
            number, name = tempfile.mkstemp(".txt", "steerrec-fault-", folder)
            with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return Path(name)
    return None


def masked(text: str, environ: Mapping[str, str]) -> str:
    """The text without passwords, tokens, and what the secret variables hold."""
    secrets = {
        value
        for name, value in environ.items()
        if SECRET_NAME.search(name) and len(value) >= MIN_SECRET
    }
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = USER_INFO.sub(f"{MASK}@", text)
    text = BEARER.sub(rf"\1 {MASK}", text)
    return ASSIGNED_SECRET.sub(rf"\1{MASK}", text)


def _folders() -> Iterator[str]:
    with suppress(OSError):  # there is no temp folder that can be written
        yield tempfile.gettempdir()
    with suppress(OSError):  # the folder that the command was started in is gone
        yield str(Path.cwd())


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those that change what the command does; secret ones without their value."""
    for name, value in sorted(environ.items()):
        if name.startswith(("STEERREC_", "LC_", "LANG", "PYTHON", "GRPC_")) or "proxy" in name:
            yield name, MASK if SECRET_NAME.search(name) else value


def _last_line(error: BaseException) -> str:
    """Kind and text of the error, on one line."""
    text = " ".join(str(error).split())
    shown = text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 3]}..."
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
