"""`steerrec preset`: revisions of one preset, put in force and gone back to."""

from typing import Annotated

import typer

from cli.options import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT_S,
    Address,
    AsJson,
    Author,
    DryRun,
    Name,
    Reason,
    TimeoutS,
    Yes,
)

NameAtRevision = Annotated[
    str, typer.Argument(metavar="NAME[@REVISION]", help="Name of the preset.")
]


def publish(
    name: NameAtRevision,
    revision: Annotated[
        int | None, typer.Argument(min=1, help="Of the draft; by default the newest.")
    ] = None,
    author: Author = None,
    reason: Reason = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Put a draft in force; asks first where it is older than the revision in force."""
    from cli import preset_history
    from cli.authors import author_of
    from cli.client import connected
    from cli.preset_conflicts import conflict_told
    from cli.stored_presets import Signature, revisions, show_written

    name, revision = preset_history.named(name, revision)
    signed = Signature(author_of(author), reason or "steerrec preset publish")
    with connected(address, timeout_s) as client:
        kept = revisions(client, name)
        draft = preset_history.draft(kept, name, revision)
        preset_history.confirm_older(draft, kept, yes=yes, dry_run=dry_run)
        with conflict_told(client, name):
            preset = preset_history.publish(client, draft, signed, validate_only=dry_run)
    show_written(preset, "would publish" if dry_run else "published", as_json=as_json)


def rollback(
    name: NameAtRevision,
    revision: Annotated[
        int | None,
        typer.Argument(min=1, help="By default the one last in force with a lower number."),
    ] = None,
    author: Author = None,
    reason: Reason = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Put a revision in force again that was in force before."""
    from cli import preset_history
    from cli.authors import author_of
    from cli.client import connected
    from cli.preset_conflicts import conflict_told
    from cli.stored_presets import Signature, show_written

    name, revision = preset_history.named(name, revision)
    signed = Signature(author_of(author), reason or "steerrec preset rollback")
    with connected(address, timeout_s) as client:
        wanted = revision or preset_history.revision_before(client, name)
        with conflict_told(client, name):
            preset = preset_history.rollback(client, name, wanted, signed, validate_only=dry_run)
    show_written(preset, "would go back to" if dry_run else "back at", as_json=as_json)


def revisions(
    name: Name,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Revisions of a preset, newest first: who wrote them, why, and where each stands."""
    from cli import preset_history, stored_presets
    from cli.client import connected

    with connected(address, timeout_s) as client:
        presets = stored_presets.revisions(client, name)
    preset_history.show_revisions(presets, as_json=as_json)


def diff(
    name: Name,
    before: Annotated[
        int, typer.Argument(min=0, help="The earlier revision; 0: the one in force.")
    ] = 0,
    after: Annotated[int, typer.Argument(min=0, help="The later revision; 0: the newest.")] = 0,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """What changed between two revisions; by default what the newest draft would change."""
    from cli import preset_history
    from cli.client import connected

    with connected(address, timeout_s) as client:
        reply = preset_history.difference(client, name, before, after)
    preset_history.show_difference(reply, as_json=as_json, of_draft=not (before or after))
