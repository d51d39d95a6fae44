"""Boot-time settings: `STEERREC_*` environment variables, all listed in docs/settings.md."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from rapidfuzz import process

from model_store.labels import is_label
from service.address import checked_address
from service.errors import SettingsRefused
from service.presets.context_types import context_types
from service.presets.redis_url import redis_url
from service.setting_faults import sentence_of_fault
from service.wire.limits import ConnectionLimits
from steering.plan import Limits

PREFIX = "STEERREC_"
CLIENT_PREFIX = "STEERREC_CLIENT_"
"""Names of clients, such as the command line: they may stand beside a replica's own."""
PRODUCTION = "production"
"""The label that a request means when it names no model."""
DECISIONS_IN_REDIS = "redis"
"""The decision log in the presets' Redis; any other word is a file's path."""
PUBLISH_LIMITS = (
    *("publish_min_overlap", "publish_max_inactive_share", "publish_max_clipped_share"),
    *("publish_min_ndcg_kept", "publish_min_histories", "publish_max_preview_age_s"),
)
"""Settings that mean something only where publishing requires a preview."""
NEAR_ENOUGH = 70
"""Similarity, of 100, from which an unknown name gets a suggestion."""


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


class Wire(StrEnum):
    """What speaks gRPC on the port."""

    OWN = "own"
    GRPCIO = "grpcio"


def _redis_url(url: SecretStr) -> SecretStr:
    redis_url(url.get_secret_value())
    return url


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",")) if isinstance(text, str) else text


def _decision_log(text: str) -> str:
    return DECISIONS_IN_REDIS if text.lower() == DECISIONS_IN_REDIS else str(_file(Path(text)))


def _file(path: Path) -> Path:
    """The path of a file, `~` replaced; a folder, device or pipe is refused: a file is replaced."""
    expanded = _expanded(path)
    if expanded.is_dir():
        raise ValueError(f"{expanded} is a folder; name a file in it")
    if expanded.exists() and not expanded.is_file():
        raise ValueError(f"{expanded} is a device, pipe or socket; name a file of a disk")
    return expanded


def _expanded(path: Path) -> Path:
    """The path with a leading `~` replaced by the home folder."""
    if path == Path():
        raise ValueError("must name a path; an empty one would be the working folder")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: there is no home folder for ~; write the whole path") from None


def _labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    for label in labels:
        if not is_label(label):
            raise ValueError(f"{label!r} is no label: 1 to 40 of a-z, 0-9 and '-', first a letter")
    if PRODUCTION not in labels:
        raise ValueError(f"{PRODUCTION!r} must be one of them")
    return labels


def _workers(given: object) -> object:
    words = given.strip().lower() if isinstance(given, str) else given
    return cores() if words in ("auto", "0", 0) else given


def cores() -> int:
    """How many cores this process may use; a container's share of time does not count."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _declared(text: str) -> str:
    context_types(text)
    return text


Address = Annotated[str, AfterValidator(checked_address)]
Labels = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_labels)]


class Settings(BaseModel):
    """How one replica runs. Frozen; read once, at the start."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bind: Address = "127.0.0.1:50051"
    """Address of the gRPC port; port 0 takes a free one."""
    wire: Wire = Wire.OWN
    """What speaks gRPC on the port: `own`, or gRPC's own server, `grpcio`; clients see no other."""
    metrics_bind: Address = "127.0.0.1:9464"
    """Address of the Prometheus port; port 0 takes a free one."""
    data_dir: Annotated[Path, AfterValidator(_expanded)] = Field(
        default_factory=lambda: user_data_path("steerrec")
    )
    """Folder of what the replica keeps: embedded Redis, last good presets, fetched bundles."""
    bundles: str = ""
    """Root of the bundle store, a path or an fsspec URL; empty: `store` in `data_dir`."""
    labels: Labels = (PRODUCTION, "canary")
    """Labels to serve, comma-separated; `production` must be one of them and must exist."""
    label_poll_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds between two looks at where the labels point."""
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] | None = None
    """URL of Redis, one server, Sentinel or Cluster; absent: an embedded one in `data_dir`."""
    replica_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    """Id of this replica in GetStatus, another for each; empty: host, process and a random part."""
    workers: Annotated[int, Field(ge=1, le=256), BeforeValidator(_workers)] = 1
    """Processes that share the gRPC port, each a whole replica; `0` or `auto`: one per core."""
    max_connection_age_s: Annotated[float, Field(ge=1, le=1e6)] = 300.0
    """Seconds after which a client's connection is renewed, to any worker, calls finished first."""
    max_connection_age_grace_s: Annotated[float, Field(ge=0, le=1e6)] = 3600.0
    """Seconds that calls then get to finish before they are cut off; 0: any time."""
    max_connection_idle_s: Annotated[float, Field(ge=0, le=1e6)] = 600.0
    """Seconds without a call after which a client is asked to connect anew; 0: never."""
    max_connections: Annotated[int, Field(ge=0, le=10_000_000)] = 20_000
    """Most connections at a time; more are refused and told why; 0: any number."""
    max_connections_per_peer: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Most connections at a time from one address, a proxy's too; 0: any number."""
    handshake_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 20.0
    """Seconds in which a client begins HTTP/2, and in which a header block comes whole."""
    peer_timeout_s: Annotated[float, Field(ge=0, le=7200)] = 60.0
    """Seconds of silence after which a vanished client is given up; 0: as the system has it."""
    min_ping_interval_s: Annotated[float, Field(ge=0, le=7200)] = 5.0
    """Least seconds between a client's pings without an answer between; 0: any."""
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 32
    """Most requests in one run of the model."""
    queue_limit: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """Most single requests that wait for the model, and as many of groups; more: UNAVAILABLE."""
    queue_wait_s: Annotated[float, Field(gt=0, le=3600)] = 0.2
    """Longest that a single request may wait for whole runs before its own; more: UNAVAILABLE."""
    model_threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads of one run of the model."""
    state_cache_bytes: Annotated[int, Field(ge=0, le=2**40)] = 32 * 2**20
    """Bytes for hidden states of recent histories, for each served bundle; 0: none are kept."""
    max_factor: Annotated[float, Field(ge=1, le=1e6)] = 100.0
    """Largest product of SCALEs on a feature."""
    max_activation: Annotated[float, Field(gt=0, le=1e6)] = 20.0
    """Largest edited activation, in reference units."""
    max_shift_share: Annotated[float, Field(gt=0, le=1e3)] = 2.0
    """Largest norm of the shift over the norm of the hidden state."""
    decision_log: Annotated[str, AfterValidator(_decision_log)] | None = None
    """Where sampled decisions are kept: `redis`, or the path of a file; absent: nowhere."""
    decision_sample_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Part of the answers that the decision log keeps, 0 to 1."""
    decision_keep: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """Decisions that Redis keeps; older ones make room."""
    decision_file_bytes: Annotated[int, Field(ge=65_536, le=2**30)] = 16 * 2**20
    """Size after which the decision file is rotated; four older ones are kept."""
    publish_requires_preview: bool = False
    """Whether a revision goes into force only after a preview that the limits below accept."""
    publish_min_overlap: Annotated[float, Field(ge=0, le=1)] | None = None
    """Least mean overlap of the slates before and after; absent: any."""
    publish_max_inactive_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Largest inactive share of any of its rules; absent: any."""
    publish_max_clipped_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Largest clipped share of any of its rules; absent: any."""
    publish_min_ndcg_kept: Annotated[float, Field(ge=0, le=10)] | None = None
    """Least NDCG after over NDCG before; absent: any."""
    publish_min_histories: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Least histories to which the preset applied in the preview."""
    publish_max_preview_age_s: Annotated[float, Field(gt=0, le=1e8)] = 86_400.0
    """Longest that a preview counts, in seconds."""
    max_message_bytes: Annotated[int, Field(ge=65_536, le=2**30)] = 16 * 2**20
    """Largest reply that gRPC sends."""
    max_request_bytes: Annotated[int, Field(ge=65_536, le=2**30)] = 4 * 2**20
    """Largest request that gRPC takes, compressed or not; more: RESOURCE_EXHAUSTED."""
    max_connection_bytes: Annotated[int, Field(ge=2**20, le=2**40)] = 64 * 2**20
    """Most bytes held for one connection, requests and unsent replies; more: RESOURCE_EXHAUSTED."""
    max_held_bytes: Annotated[int, Field(ge=2**20, le=2**40)] = 256 * 2**20
    """The same for all connections of a process; more: RESOURCE_EXHAUSTED to the largest calls."""
    context_types: Annotated[str, AfterValidator(_declared)] = ""
    """Keys that presets' conditions may read, e.g. `surface=string, age=double`; empty: any."""
    reflection: bool = True
    """Whether clients may read the contract from the server (grpcurl, ghz)."""
    drain_timeout_s: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """Seconds that calls in progress get to finish after SIGTERM, SIGINT or SIGHUP."""
    log_level: LogLevel = LogLevel.INFO
    """debug, info, warning or error."""
    log_format: LogFormat = LogFormat.TEXT
    """text or json."""
    ready_file: Annotated[Path, AfterValidator(_file)] | None = None
    """File that gets the bound ports as JSON once the replica serves; absent: none."""

    @model_validator(mode="after")
    def _limits_have_a_preview(self) -> Self:
        given = sorted(name for name in self.model_fields_set if name in PUBLISH_LIMITS)
        if given and not self.publish_requires_preview:
            names = ", ".join(map(_variable, given))
            needed = _variable("publish_requires_preview")
            raise ValueError(f"{names} has no effect without {needed}=true")
        return self

    @model_validator(mode="after")
    def _a_message_fits_what_is_held(self) -> Self:
        largest = max(self.max_message_bytes, self.max_request_bytes)
        for name in ("max_connection_bytes", "max_held_bytes"):
            if getattr(self, name) < largest:
                raise ValueError(
                    f"{_variable(name)} is {getattr(self, name)}, less than one message of"
                    f" {largest} bytes: raise it, or lower {_variable('max_message_bytes')} and"
                    f" {_variable('max_request_bytes')}"
                )
        return self

    @model_validator(mode="after")
    def _a_file_has_one_writer(self) -> Self:
        if self.workers > 1 and self.decision_log not in (None, DECISIONS_IN_REDIS):
            name, workers = _variable("decision_log"), _variable("workers")
            raise ValueError(
                f"{name} is a file, which has one writer, and {workers} is {self.workers}:"
                f" set {name}={DECISIONS_IN_REDIS}, or {workers}=1"
            )
        return self

    @property
    def store_root(self) -> str:
        """Where bundles are."""
        return self.bundles or str(self.data_dir / "store")

    @property
    def connection_limits(self) -> ConnectionLimits:
        """Of the clients' connections of one process."""
        return ConnectionLimits(
            max_connections=self.max_connections,
            max_per_peer=self.max_connections_per_peer,
            max_age_s=self.max_connection_age_s,
            max_age_grace_s=self.max_connection_age_grace_s,
            max_idle_s=self.max_connection_idle_s,
            handshake_s=self.handshake_timeout_s,
            peer_timeout_s=self.peer_timeout_s,
            min_ping_s=self.min_ping_interval_s,
        )

    @property
    def limits(self) -> Limits:
        """Bounds of every edit."""
        return Limits(self.max_factor, self.max_activation, self.max_shift_share)


def load_settings(environ: Mapping[str, str] = os.environ, **overrides: object) -> Settings:
    """The settings that the environment gives.

    Args:
        environ: names that start with `STEERREC_` are read, in any case; others are ignored, and
            so are blanks around a value. A blank value counts as unset.
        overrides: settings given in code, by field name; they go before the environment.

    Raises:
        SettingsRefused: with every unknown name and every value that is not allowed.
    """
    given = _given(environ)
    faults = list(_unknown(given.keys() | overrides.keys()))
    known: dict[str, object] = {
        name: v for name, v in given.items() if v and name in Settings.model_fields
    }
    known |= overrides
    if "data_dir" not in known and (fault := _homeless()):
        faults.append(fault)
        known["data_dir"] = os.devnull  # so that the other faults are found too
    try:
        settings = Settings.model_validate(known)
    except ValidationError as error:
        raise SettingsRefused([*faults, *_invalid(error)]) from None
    if faults:
        raise SettingsRefused(faults)
    return settings


def blank_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the variables of settings that are there and blank, which counts as unset."""
    return sorted(_variable(name) for name, value in _given(environ).items() if not value)


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """By field name, what the environment says of settings, without blanks around it."""
    return {
        name.upper().removeprefix(PREFIX).lower(): value.strip()
        for name, value in environ.items()
        if name.upper().startswith(PREFIX) and not name.upper().startswith(CLIENT_PREFIX)
    }


def _homeless() -> str:
    """Why the data folder has no default; empty: it has one."""
    with suppress(RuntimeError):
        if user_data_path("steerrec").is_absolute():
            return ""
    return (
        f"{_variable('data_dir')}: must be set to a folder that can be written:"
        f" uid {os.getuid()} has no home folder (HOME is not set, or is no absolute path)"
    )


def _unknown(names: Iterable[str]) -> Iterable[str]:
    for name in sorted(names - Settings.model_fields.keys()):
        near = process.extractOne(name, list(Settings.model_fields), score_cutoff=NEAR_ENOUGH)
        hint = f"; did you mean {_variable(near[0])}?" if near else "; docs/settings.md lists all"
        yield f"{_variable(name)}: no such setting{hint}"


def _invalid(error: ValidationError) -> Iterable[str]:
    """One sentence per fault; the only secret setting is refused without its value."""
    properties = Settings.model_json_schema()["properties"]
    for fault in error.errors(include_url=False):
        field = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] != "extra_forbidden":
            name = _variable(field) if field else "settings"
            yield f"{name}: {sentence_of_fault(fault, properties.get(field, {}))}"


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"
