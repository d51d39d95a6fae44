"""`steerrec preset`: what a preset would do, who serves it, and a store that lost its data."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT_S,
    MAX_K,
    Address,
    AsJson,
    Author,
    Context,
    DryRun,
    Model,
    Reason,
    TimeoutS,
    Yes,
)

PREVIEW_TIMEOUT_S = 600.0
"""Ten thousand histories on one busy core."""


def preview(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME[@REVISION]",
            help="A preset file, or a stored preset; of that by default the newest revision.",
        ),
    ],
    histories: Annotated[
        Path | None,
        typer.Option(help="JSONL file, a history a line: keys history, next, context."),
    ] = None,
    recorded: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Take the histories of so many newest recorded decisions."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", max=MAX_K, help="Length of the slates.")] = 20,
    context: Context = None,
    at: Annotated[
        str | None, typer.Option(help="Moment at which schedules are read; by default now.")
    ] = None,
    model: Model = "",
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = PREVIEW_TIMEOUT_S,
) -> None:
    """Run a draft over many histories, and tell what it would do; nothing of it is live."""
    from cli import preset_preview
    from cli.client import connected
    from cli.rule_text import context_of

    request = preset_preview.request_of(
        subject,
        histories=histories,
        recorded=recorded,
        k=k,
        context=context_of(context or []),
        moment=at,
        model=model,
    )
    with connected(address, timeout_s) as client:
        report = preset_preview.report_of(client, request)
    preset_preview.show_report(report, as_json=as_json)


def status(
    name: Annotated[str, typer.Argument(help="Name of a preset; by default all.")] = "",
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait until all serve what is in force.")
    ] = 0.0,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Which replica serves which revision; exits with 1 where one serves another than in force."""
    from cli import preset_status
    from cli.client import connected

    with connected(address, timeout_s) as client:
        found = preset_status.awaited(client, name, wait)
    preset_status.show_status(found, as_json=as_json)


def restore(
    author: Author = None,
    reason: Reason = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Write what this replica serves back to a store that lost it; asks first."""
    from cli import store_loss
    from cli.authors import author_of
    from cli.client import connected
    from cli.stored_presets import Signature

    signed = Signature(author_of(author), reason or "steerrec preset store restore")
    with connected(address, timeout_s) as client:
        names = store_loss.resolve(client, store_loss.RESTORE, signed, yes=yes, dry_run=dry_run)
    store_loss.show_outcome(store_loss.RESTORE, names, as_json=as_json, done=not dry_run)


def accept(
    author: Author = None,
    reason: Reason = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Take what the store has now as the truth; presets that it lost are gone; asks first."""
    from cli import store_loss
    from cli.authors import author_of
    from cli.client import connected
    from cli.stored_presets import Signature

    signed = Signature(author_of(author), reason or "steerrec preset store accept")
    with connected(address, timeout_s) as client:
        names = store_loss.resolve(client, store_loss.ACCEPT, signed, yes=yes, dry_run=dry_run)
    store_loss.show_outcome(store_loss.ACCEPT, names, as_json=as_json, done=not dry_run)
