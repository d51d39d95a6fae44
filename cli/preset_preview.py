"""What a draft would do to many histories: asked with progress, told as tables."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from steerrec.v1 import preview_pb2

from cli.client import Client
from cli.errors import CliError
from cli.histories import read_histories
from cli.output import progress_console, show, show_json, table
from cli.preset_file import SUFFIXES, read_preset
from cli.rule_text import preset_reference_of

NO_FIGURE = "-"
"""Where no history is behind a figure."""
MEETS_NONE = (
    "the preset's targeting meets none of these histories: look at its schedule (--at), rollout "
    "and condition"
)
ALL_COLD = "the model knows no item of these histories: look at their ids, and at --model"


class NoReport(CliError):
    """The service ended a preview without its report."""

    def __init__(self) -> None:
        super().__init__("the preview ended without a report; look into the service's log")


def request_of(
    subject: str,
    *,
    histories: Path | None,
    recorded: int | None,
    k: int,
    context: Struct | None,
    moment: str | None,
    model: str,
) -> preview_pb2.PreviewPresetRequest:
    """The request that the words of a command line spell.

    Args:
        subject: a preset file, or NAME or NAME@REVISION of a stored preset.

    Raises:
        BadParameter: words that contradict each other, or a moment that is none.
        Refused: the preset's file or that of the histories is at fault.
    """
    request = preview_pb2.PreviewPresetRequest(model=model, k=k)
    if context is not None:
        request.context.CopyFrom(context)
    if moment is not None:
        request.as_of_time.CopyFrom(moment_of(moment))
    if (histories is None) == (recorded is None):
        raise typer.BadParameter("on whom? one of --histories FILE and --recorded N")
    if histories is None:
        request.recorded.max_count = recorded or 0
    else:
        request.supplied.histories.extend(read_histories(histories))
    _name_subject(request, subject)
    return request


def moment_of(text: str) -> Timestamp:
    """The moment that `text` spells, with its offset.

    Raises:
        BadParameter: it is none.
    """
    stamp = Timestamp()
    try:
        moment = datetime.fromisoformat(text)
        stamp.FromDatetime(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no moment, e.g. 2026-12-01T18:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset: end it in Z, or in one such as +01:00")
    return stamp


def report_of(
    client: Client, request: preview_pb2.PreviewPresetRequest
) -> preview_pb2.PreviewReport:
    """The report; a bar on stderr tells how far the service is.

    Raises:
        CallRefused: the service refused, or was not done in time.
        NoReport: it ended without one.
    """
    columns = (TextColumn("preview"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = progress_console()
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("preview", total=None)
        for event in client.stream(client.previews.PreviewPreset, request):
            if event.WhichOneof("event") == "report":
                return event.report
            progress = event.progress
            bar.update(task, completed=progress.done_count, total=progress.total_count)
    raise NoReport


def show_report(report: preview_pb2.PreviewReport, *, as_json: bool) -> None:
    """Print what the preset would do."""
    if as_json:
        show_json(report)
        return
    show(_heading(report), _effects(report))
    if report.shares:
        show(_shares(report))
    if report.rules:
        show(_rules(report))
    show(*_warnings(report))


def _heading(report: preview_pb2.PreviewReport) -> str:
    which = f"revision {report.revision}" if report.revision else "not stored"
    cold = f", {report.cold_count} of them cold and left out" if report.cold_count else ""
    return (
        f"{report.preset} ({which}) on {report.history_count} histories{cold}; "
        f"model {report.model_version}, top {report.k}"
    )


def _effects(report: preview_pb2.PreviewReport) -> Table:
    """How much changes, over histories."""
    made = table("over histories", "mean", "p5", "p50", "p95", right=("mean", "p5", "p50", "p95"))
    made.add_row("applies to", f"{report.targeted_share:.1%}", "", "", "")
    kept, shift = _percents(report.overlap), [f"{part:.3f}" for part in _parts(report.norm_share)]
    made.add_row("kept of the slate", *_told(report, kept))
    made.add_row("shift, of the hidden state", *_told(report, shift))
    if report.next_known_count:
        made.add_row(f"NDCG@{report.k} before", f"{report.ndcg_before:.4f}", "", "", "")
        made.add_row(f"NDCG@{report.k} after", f"{report.ndcg_after:.4f}", "", "", "")
    return made


def _shares(report: preview_pb2.PreviewReport) -> Table:
    """What happens to attributes."""
    columns = ("before", "after", "p5", "p50", "p95")
    made = table("attribute", *columns, title=f"share of the top {report.k}", right=columns)
    for share in report.shares:
        spelled = f"{share.attribute.name}={share.attribute.value}"
        figures = [f"{share.before.mean:.1%}", *_percents(share.after)]
        made.add_row(spelled, *_told(report, figures))
    return made


def _rules(report: preview_pb2.PreviewReport) -> Table:
    """What becomes of each rule, as shares of the histories."""
    columns = ("applied", "inactive", "clipped", "condition false", "overridden")
    made = table("rule", *columns, title="rules, of the histories", right=columns)
    for rule in report.rules:
        called = f"rules[{rule.index}] {rule.rule_id}".rstrip()
        shares = (
            rule.applied_share,
            rule.inactive_share,
            rule.clipped_share,
            rule.condition_false_share,
            rule.overridden_share,
        )
        made.add_row(called, *_told(report, [f"{share:.1%}" for share in shares]))
    return made


def _warnings(report: preview_pb2.PreviewReport) -> Iterator[str]:
    if not report.targeted_share:
        yield ALL_COLD if report.cold_count >= report.history_count else MEETS_NONE
    for conflict in report.conflicts:
        yield f"conflict with {conflict.preset}@{conflict.revision}: {conflict.message}"
    for violation in report.policy_violations:
        yield f"publish policy: {violation}"


def _told(report: preview_pb2.PreviewReport, figures: Sequence[str]) -> Sequence[str]:
    """The figures, or so many dashes where the preset applies to no history."""
    return figures if report.targeted_share else [NO_FIGURE] * len(figures)


def _percents(distribution: preview_pb2.Distribution) -> list[str]:
    return [f"{part:.1%}" for part in _parts(distribution)]


def _parts(distribution: preview_pb2.Distribution) -> Sequence[float]:
    return distribution.mean, distribution.p5, distribution.p50, distribution.p95


def _name_subject(request: preview_pb2.PreviewPresetRequest, subject: str) -> None:
    path = Path(subject)
    if path.suffix in SUFFIXES or path.is_file():
        request.draft.CopyFrom(read_preset(path).preset.message())
        return
    reference = preset_reference_of(subject)
    request.stored.name, request.stored.revision = reference.name, reference.revision
