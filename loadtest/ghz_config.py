"""ghz's config files (runner/config.go of ghz), read as ghz reads them, faults told.

ghz ignores names that it does not know and options that do not go together; here they are faults,
so that a load is never another one than its file says.
"""

import difflib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from loadtest.addresses import address_fault
from loadtest.durations import MAX_S, seconds
from loadtest.errors import LoadRefused
from loadtest.levels import Level, Stairs, bounded, constant, stairs
from loadtest.load import Certificates, Load
from loadtest.messages import encoded, path_of

LINE_STEP = "1s"
"""A line is a stair a second, as in ghz."""
DEFAULT_TOTAL = 200
"""ghz's own, where neither a number nor a duration is given."""
MAX_WHOLE = 2**31 - 1
"""Largest number of anything."""
MAX_AT_ONCE = 100_000
"""Calls in flight or connections: each holds memory here and there."""
MAX_SHOWN = 80
"""Characters of a value that a sentence quotes."""
OPEN_IN_FLIGHT = 10_000
"""Most calls in flight of an asynchronous open loop, where ghz has no bound."""


def _in_seconds(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_in_seconds), Field(ge=0, le=MAX_S)]
Whole = Annotated[int, Field(ge=0, le=MAX_WHOLE)]
Some = Annotated[int, Field(ge=1, le=MAX_AT_ONCE)]
Text = dict[str, str]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class GhzConfig(BaseModel):
    """Every option of ghz 0.121 under its own name; what each means is ghz's documentation."""

    model_config = ConfigDict(
        alias_generator=_dashed, extra="forbid", frozen=True, strict=True, populate_by_name=False
    )

    name: str = ""
    """Printed with the result."""
    host: str = ""
    """Host and port of the service."""
    call: str = ""
    """Method, as package.Service.Method or package.Service/Method."""
    proto: str = ""
    """File of the contract; here the contract is always the installed one."""
    import_paths: tuple[str, ...] = Field(default=(), strict=False)
    """Folders of what it imports."""
    protoset: str = ""
    """Compiled contract."""
    insecure: bool = False
    """Plain text instead of TLS."""
    cacert: str = ""
    """File of the authority."""
    cert: str = ""
    """File of the client's certificate."""
    key: str = ""
    """File of its key."""
    cname: str = ""
    """Name in the service's certificate."""
    skip_tls: bool = Field(default=False, alias="skipTLS")
    """No check of the service's certificate."""
    authority: str = ""
    """Of the HTTP/2 requests."""
    total: Whole | None = None
    """Calls in all."""
    duration: Seconds = 0
    """How long to send."""
    max_duration: Seconds = 0
    """The same; goes before `duration`."""
    duration_stop: str = "close"
    """What becomes of calls in flight at the end: close, wait or ignore."""
    async_: bool = Field(default=False, alias="async")
    """Whether a call is sent although the one before is not answered."""
    rps: Whole = 0
    """Calls a second; 0: as many as are answered."""
    concurrency: Some = 50
    """Calls in flight where they are not asynchronous."""
    concurrency_schedule: str = "const"
    """How the concurrency changes."""
    concurrency_start: Whole = 1
    """See `concurrency_schedule`."""
    concurrency_end: Whole = 0
    """See `concurrency_schedule`."""
    concurrency_step: int = 0
    """See `concurrency_schedule`."""
    concurrency_step_duration: Seconds = 0
    """See `concurrency_schedule`."""
    concurrency_max_duration: Seconds = 0
    """See `concurrency_schedule`."""
    connections: Some = 1
    """Shared by the calls."""
    load_schedule: Literal["const", "step", "line"] = "const"
    """How the rate changes."""
    load_start: Whole = 0
    """Calls a second in the beginning."""
    load_end: Whole = 0
    """Calls a second that end the change."""
    load_step: Annotated[int, Field(ge=-MAX_WHOLE, le=MAX_WHOLE)] = 0
    """Change of each step, or of each second of a line."""
    load_step_duration: Seconds = 0
    """How long each step takes."""
    load_max_duration: Seconds = 0
    """How long the rate changes at most."""
    timeout: Seconds = 20.0
    """Of each call; 0: none."""
    connect_timeout: Seconds = 10.0
    """Of each connection."""
    keepalive: Seconds = 0
    """Interval of pings."""
    data: list[dict[str, Any]] | dict[str, Any] | None = None
    """Requests in proto JSON, sent in turn."""
    data_file: str = ""
    """File of the same; goes before `data`."""
    binary_file: str = ""
    """Serialised request."""
    metadata: Text = {}
    """Sent with every call."""
    metadata_file: str = ""
    """File of the same."""
    reflect_metadata: Text = {}
    """Sent with the calls of reflection."""
    disable_template_functions: bool = False
    """Whether {{functions}} in data stay as they are."""
    disable_template_data: bool = False
    """Whether {{data}} in data stays as it is."""
    skip_first: Whole = Field(default=0, alias="skipFirst")
    """Calls in the beginning that are not counted."""
    count_errors: bool = False
    """Whether latencies are those of calls that failed, too."""
    stream_interval: Seconds = 0
    """Of streaming calls."""
    stream_call_duration: Seconds = 0
    """Of streaming calls."""
    stream_call_count: Whole = 0
    """Of streaming calls."""
    stream_dynamic_messages: bool = False
    """Of streaming calls."""
    enable_compression: bool = False
    """gzip."""
    lb_strategy: str = ""
    """How calls are dealt to addresses."""
    max_recv_message_size: str = ""
    """Of answers."""
    max_send_message_size: str = ""
    """Of requests."""
    cpus: Whole = 0
    """Cores that ghz takes."""
    tags: Text = {}
    """Kept with ghz's report."""
    output: str = ""
    """File of ghz's report."""
    format: str = ""
    """Of ghz's report."""
    debug: str = ""
    """File of ghz's log."""


OPTIONS = frozenset(own.alias or "" for own in GhzConfig.model_fields.values())
"""Names that a config may have."""
NOT_SENT_HERE = (
    *("protoset", "skipTLS", "authority", "keepalive", "binary-file", "metadata-file"),
    *("stream-interval", "stream-call-duration", "stream-call-count", "stream-dynamic-messages"),
    *("enable-compression", "lb-strategy", "concurrency-start", "concurrency-end"),
    *("concurrency-step", "concurrency-step-duration", "concurrency-max-duration"),
)
"""ghz's options that would make another load, and that only ghz has."""


def read_config(path: Path) -> dict[str, Any]:
    """What a config file holds, unchecked.

    Raises:
        LoadRefused: there is no such file, or it is no JSON object.
    """
    config = _json(path, "config")
    if not isinstance(config, dict):
        raise LoadRefused([f"{path}: a config is one JSON object"])
    return config


def load_of(
    config: Mapping[str, Any], *, max_in_flight: int | None = None, processes: int = 1
) -> Load:
    """The load that a config describes.

    Args:
        config: ghz's names and values.
        max_in_flight: most calls in flight of an open loop; None: as the config says.
        processes: that share the load.

    Raises:
        LoadRefused: with every fault.
    """
    read = _checked(config)
    if faults := [*_faults(read, config)]:
        raise LoadRefused(faults)
    path, request_type = path_of(read.call)
    duration_s = read.max_duration or read.duration or math.inf
    total = _total(read)
    levels = _levels(read, duration_s, total)
    return Load(
        address=read.host,
        path=path,
        requests=encoded(_data(read), request_type),
        levels=levels,
        duration_s=duration_s,
        total=total,
        in_flight=_in_flight(read, max_in_flight, is_open=bool(levels)),
        connections=read.connections,
        processes=processes,
        timeout_s=read.timeout or math.inf,
        connect_timeout_s=read.connect_timeout,
        skip_first=read.skip_first,
        count_errors=read.count_errors,
        metadata=tuple(read.metadata.items()),
        certificates=_certificates(read),
        name=read.name,
        profile=_profile(read),
    )


def _json(path: Path, what: str) -> object:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise LoadRefused([f"{path}: {error.strerror}; the {what} file cannot be read"]) from None
    except json.JSONDecodeError as error:
        raise LoadRefused([f"{path}: no JSON: {error}"]) from None
    except UnicodeDecodeError as error:
        raise LoadRefused([f"{path}: {_undecoded(error)}; save it as UTF-8"]) from None
    except (ValueError, RecursionError):
        remedy = "a number has too many digits, or sections are too deep within each other"
        raise LoadRefused([f"{path}: cannot be read: {remedy}"]) from None


def _undecoded(error: UnicodeDecodeError) -> str:
    line = error.object[: error.start].count(b"\n") + 1
    return f"line {line} is not {error.encoding.upper()}"


def _checked(config: Mapping[str, Any]) -> GhzConfig:
    try:
        return GhzConfig.model_validate(dict(config))
    except ValidationError as error:
        raise LoadRefused([_sentence(own) for own in error.errors()]) from None
    except UnicodeEncodeError:
        raise LoadRefused(["a text holds half of a character; write the whole one"]) from None


def _sentence(error: Any) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, OPTIONS, n=1)
        remedy = f'did you mean "{near[0]}"?' if near else "ghz's documentation lists them"
        return f"{name}: no option of ghz; {remedy}"
    if error["type"] == "value_error":
        return f"{name}: {error['ctx']['error']}"
    return f"{name}: {error['msg']}, not {_shown(error['input'])}"


def _shown(value: object) -> str:
    """The value as the file has it, cut where it is long."""
    if isinstance(value, int) and abs(value) > sys.maxsize:
        return "a number of so many digits"
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _faults(read: GhzConfig, config: Mapping[str, Any]) -> Iterator[str]:
    for name in NOT_SENT_HERE:
        if config.get(name):
            yield f"{name}: only ghz has it; leave it out, or run ghz"
    if read.concurrency_schedule != "const":
        yield "concurrency-schedule: only ghz has it; use load-schedule, or run ghz"
    if not read.host:
        yield "host: missing; it is the service's host and port"
    elif fault := address_fault(read.host):
        yield f"host: {json.dumps(read.host[:MAX_SHOWN])} {fault}"
    if not read.data_file and read.data is None:
        yield "data: missing; `steerrec load data OUT` writes OUT/requests.json, for --data"
    if read.connections > read.concurrency:
        yield f"connections: {read.connections} is more than concurrency, {read.concurrency}"
    if read.total is not None and (read.duration or read.max_duration):
        yield "total: not heeded by ghz beside a duration; give one of them"
    yield from _schedule_faults(read)


def _schedule_faults(read: GhzConfig) -> Iterator[str]:
    if read.load_schedule == "const":
        return
    if read.load_start < 1:
        yield f"load-start: at least 1 for a {read.load_schedule}, not {read.load_start}"
    if read.load_step == 0:
        yield f"load-step: 0 changes nothing; it is what each {read.load_schedule} adds"
    if read.load_start == read.load_end:
        yield f"load-end: {read.load_end} is load-start too; nothing would change"
    if read.load_schedule == "step" and not read.load_step_duration:
        yield "load-step-duration: missing; it is how long each step takes"
    if read.rps:
        yield f"rps: not heeded by ghz beside load-schedule {read.load_schedule}; leave it out"
    if _never_ends(read):
        yield "load-end: missing; the rate falls to 0 before all calls are sent"


def _never_ends(read: GhzConfig) -> bool:
    is_bounded = read.duration or read.max_duration or read.load_end or read.load_max_duration
    return read.load_step < 0 and not is_bounded


def _total(read: GhzConfig) -> int | None:
    if read.duration or read.max_duration:
        return None
    return read.total or DEFAULT_TOTAL


def _levels(read: GhzConfig, duration_s: float, total: int | None) -> tuple[Level, ...]:
    """Empty: a closed loop."""
    if read.load_schedule == "const" and not read.rps:
        return ()
    unbounded = constant(read.rps) if read.load_schedule == "const" else stairs(_stairs(read))
    return bounded(unbounded, duration_s=duration_s, total=math.inf if total is None else total)


def _stairs(read: GhzConfig) -> Stairs:
    is_line = read.load_schedule == "line"
    return Stairs(
        start=read.load_start,
        step=read.load_step,
        step_s=seconds(LINE_STEP) if is_line else read.load_step_duration,
        end=read.load_end,
        changes_for_s=read.load_max_duration,
    )


def _in_flight(read: GhzConfig, max_in_flight: int | None, *, is_open: bool) -> int:
    if not is_open:
        return read.concurrency
    return max_in_flight or (OPEN_IN_FLIGHT if read.async_ else read.concurrency)


def _profile(read: GhzConfig) -> str:
    if read.load_schedule != "const":
        return read.load_schedule
    return "constant" if read.rps else "closed"


def _certificates(read: GhzConfig) -> Certificates | None:
    if read.insecure:
        return None
    return Certificates(authority=read.cacert, own=read.cert, key=read.key, name=read.cname)


def _data(read: GhzConfig) -> list[dict[str, Any]]:
    """The requests, as ghz would send them."""
    data = _json(Path(read.data_file), "data") if read.data_file else read.data
    requests: list[Any] = data if isinstance(data, list) else [data]
    if not requests or not all(isinstance(one, dict) for one in requests):
        where = read.data_file or "data"
        raise LoadRefused([f"{where}: requests are a JSON object or an array of them, not empty"])
    has_templates = not (read.disable_template_functions and read.disable_template_data)
    if has_templates and "{{" in json.dumps(requests):
        raise LoadRefused(["data: {{templates}} are only ghz's; write the requests out"])
    return requests
