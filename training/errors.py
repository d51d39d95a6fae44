"""What can go wrong while data is read, models are trained and bundles are made.

TrainingError
├── UnknownDataset        no built-in data set of that name, no config file at that path
├── FilesNotGiven         a data set that we describe but may not hand out: where are its files?
├── InvalidDataConfig     a config file or a flag that cannot be: every fault at once
├── InvalidTrainConfig    a training config that cannot be: every fault at once
├── InvalidStudyConfig    a study config that cannot be: every fault at once
├── UnusableOutput        a file or folder that cannot be read or written, or is in use
├── DamagedFile           a file of the work folder that is not as it was written
├── TooLittleData         a data set that nothing can be learned from, or judged by
├── DeviceAbsent          this machine has no such device
├── TooLarge              models of these settings do not fit into memory
├── Diverged              a training whose loss or weights grew out of all bounds
├── SaeUnusable           an SAE with which nothing can be steered
├── InvalidSaeLens        files of SAELens that cannot be read: every fault of a file at once
├── InvalidData           files that cannot be used as they are: the first faults, and how many
├── UnavailableDownload   a built-in data set could not be fetched
├── CorruptDownload       a fetched file is not the pinned one
├── LabellerMissing       the client of the optional labeller is not installed
├── LabellerRefused       the labeller's endpoint refuses every question
├── LabellerUnavailable   the labeller's endpoint does not answer
├── UnknownStudyAttribute a study was asked for an attribute value that no item carries
├── VariantRefused        a bundle of lower precision answers too differently
├── VariantOfVariant      a bundle of lower precision is made of a float32 one
├── OtherCatalogue        histories of another catalogue than the bundle's
└── UndefinedMetric       a metric of nothing, or of arrays that do not belong together
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class TrainingError(Exception):
    """Root of everything that this room raises on purpose."""


class UnknownDataset(TrainingError):
    """Neither a built-in data set nor a config file has this name."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"unknown data set {name!r}: {remedy}")
        self.name = name


class FilesNotGiven(TrainingError):
    """The data set is known, its files are the owner's to bring."""

    def __init__(self, name: str, wanted: Sequence[str]) -> None:
        super().__init__(
            f"{name} is not ours to hand out: say which folder holds {' and '.join(wanted)} "
            "(`files`)"
        )
        self.name = name
        self.wanted = tuple(wanted)


class InvalidDataConfig(TrainingError):
    """A data config with faults; `faults` holds one sentence for each."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        super().__init__("\n".join(f"{source}: {fault}" for fault in faults))
        self.source = source
        self.faults = tuple(faults)


class InvalidTrainConfig(TrainingError):
    """A training config with faults; `faults` holds one sentence for each."""

    def __init__(self, source: Path | str, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{source}: {fault}" for fault in faults))
        self.faults = faults


class InvalidStudyConfig(TrainingError):
    """A study config with faults; `faults` holds one sentence for each, with its file."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class UnusableOutput(TrainingError):
    """A file or folder cannot be read or written, or is in use; `reason` says why."""

    def __init__(self, path: Path | str, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path = path
        self.reason = reason


class DamagedFile(TrainingError):
    """A file of the work folder is not as it was written, e.g. cut short by a full disk."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); remove it, and run again")
        self.path = path
        self.reason = reason


class TooLittleData(TrainingError):
    """Nothing can be learned from the data set, or judged by it; `missing` says what for."""

    def __init__(self, name: str, found: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"{name} is too little to train on ({found}): there must be {', and '.join(missing)}"
        )
        self.name = name
        self.missing = tuple(missing)


class DeviceAbsent(TrainingError):
    """This machine, or this build of torch, has no such device."""

    def __init__(self, device: str) -> None:
        super().__init__(
            f"no {device.upper()} device here: train with --device cpu, or set `device: cpu` in "
            "the config"
        )
        self.device = device


class TooLarge(TrainingError):
    """Models of these settings do not fit into memory."""

    def __init__(self, reason: str, settings: str) -> None:
        super().__init__(f"too large for this machine's memory: {reason}; lower {settings}")
        self.reason = reason


class Diverged(TrainingError):
    """A training whose loss or weights grew out of all bounds."""

    def __init__(self, model: str, when: str, remedy: str) -> None:
        super().__init__(
            f"the {model} diverged {when}: loss or weights grew out of all bounds; {remedy}"
        )
        self.model = model


class SaeUnusable(TrainingError):
    """Nothing can be steered with the SAE."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")


class InvalidSaeLens(TrainingError):
    """A file of SAELens with faults; `faults` holds one sentence for each."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        super().__init__("\n".join(f"{path.name}: {fault}" for fault in faults))
        self.path = path
        self.faults = tuple(faults)


@dataclass(frozen=True)
class DataFault:
    """One thing wrong in one file, with what to do about it."""

    path: Path
    """The file."""
    row: int | None
    """Counted from 1 in the file, header and blank lines included; None: no single row."""
    problem: str
    """What is wrong there, with the value found."""
    remedy: str
    """What the owner of the file can do."""
    n_alike: int = 0
    """Further rows with the same problem, left out of the message."""
    line: int | None = None
    """Line of the file on which the row begins, counted from 1; None: the row's number."""

    def __str__(self) -> str:
        name = self.path.name or str(self.path)
        place = name if self.row is None else f"{name}, row {self.row}"
        if self.line not in (None, self.row):
            place += f" (line {self.line})"
        alike = f" (and {self.n_alike} more like this)" if self.n_alike else ""
        return f"{place}: {self.problem}; {self.remedy}{alike}"


class InvalidData(TrainingError):
    """Data with faults: `faults` are the first few of each kind, `n_faults` counts all."""

    def __init__(self, faults: Sequence[DataFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)
        self.n_faults = sum(1 + fault.n_alike for fault in faults)


class UnavailableDownload(TrainingError):
    """A built-in data set could not be fetched; `reason` is the tail of what pip said."""

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"could not fetch {name}: {reason}; {remedy}")
        self.name = name
        self.reason = reason


class CorruptDownload(TrainingError):
    """A fetched file differs from the pinned one, so nothing of it was used."""

    def __init__(self, path: Path, expected_sha256: str, found_sha256: str, remedy: str) -> None:
        super().__init__(
            f"{path.name}: sha256 is {found_sha256}, expected {expected_sha256}; {remedy}"
        )
        self.path = path
        self.expected_sha256 = expected_sha256
        self.found_sha256 = found_sha256


class LabellerMissing(TrainingError):
    """The labeller needs a package that is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "labeller needs the [label] extra (openai is not installed): "
            "pip install 'steerrec[label]'"
        )


class LabellerRefused(TrainingError):
    """The labeller's endpoint refuses every question, e.g. for its key."""

    def __init__(self, base_url: str, status: int, remedy: str) -> None:
        super().__init__(f"labeller: {base_url} answers with HTTP status {status}: {remedy}")
        self.base_url = base_url
        self.status = status


class LabellerUnavailable(TrainingError):
    """The labeller's endpoint gives no answers, though it was asked again and again."""

    def __init__(self, base_url: str, cause: str) -> None:
        super().__init__(
            f"labeller: {base_url} does not answer ({cause}): what was answered is kept, "
            "so run again when it does, or leave labeller out of the config"
        )
        self.base_url = base_url


class UnknownStudyAttribute(TrainingError):
    """No item of the data set carries the attribute value that a study was asked for."""

    def __init__(self, attribute: str) -> None:
        super().__init__(f"no item carries {attribute!r}: attributes are written `name=value`")
        self.attribute = attribute


class VariantRefused(TrainingError):
    """A bundle of lower precision does not keep what it must of the float32 bundle's answers."""

    def __init__(self, precision: str, figure: str, value: float, least: float) -> None:
        super().__init__(
            f"the {precision} variant is refused and not published: {figure} is {value:.4f}, must "
            f"be at least {least:g}; serve the float32 bundle, take another precision, or allow "
            f"less with --least-{figure.replace('_', '-')}"
        )
        self.figure = figure
        self.value = value
        self.least = least


class VariantOfVariant(TrainingError):
    """What was rounded once is not rounded again."""

    def __init__(self, version: str, precision: str, of: str) -> None:
        super().__init__(f"{version} is {precision} itself: make variants of {of}")
        self.version = version
        self.of = of


class OtherCatalogue(TrainingError):
    """Item indices of this data mean other items in the bundle."""

    def __init__(self, data: str, version: str, trained_on: str) -> None:
        super().__init__(
            f"the items of {data} are not those of {version}, which was trained on {trained_on}: "
            "give the data that it was trained on, or none"
        )
        self.data = data
        self.version = version


class UndefinedMetric(TrainingError):
    """A metric asked of nothing, or of arrays that do not belong together."""
