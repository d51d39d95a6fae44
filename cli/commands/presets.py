"""`steerrec preset`: preset files, checked offline, planned and applied; and what is stored."""

from pathlib import Path
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
    StoreUrl,
    TimeoutS,
    Yes,
)

Files = Annotated[list[Path], typer.Argument(help="Preset files (YAML), or folders of them.")]


def apply(
    files: Files,
    author: Author = None,
    reason: Reason = None,
    *,
    draft: Annotated[
        bool, typer.Option("--draft", help="Write drafts: nothing of them is in force.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also archive presets in force that are in no file.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Show what putting preset files in force would change, ask, and do it, or none of it."""
    from cli import apply_plan, preset_apply
    from cli.authors import author_of
    from cli.client import connected
    from cli.preset_file import read_presets

    if draft and prune:
        raise typer.BadParameter("--draft puts nothing in force, so --prune has nothing to follow")
    read, signer = read_presets(files), author_of(author)
    with connected(address, timeout_s) as client:
        steps = apply_plan.planned_all(client, read, signer, reason, as_draft=draft)
        prunes = apply_plan.pruned(client, read, signer, reason) if prune else []
        if dry_run:
            preset_apply.show_plan([*steps, *prunes], as_json=as_json)
        else:
            preset_apply.apply_plan(client, steps, prunes, yes=yes, as_json=as_json)


def check(
    files: Files,
    store: StoreUrl = None,
    model: Annotated[
        str | None, typer.Option(help="Check against this label or version of the store.")
    ] = None,
    author: Author = None,
    *,
    server: Annotated[
        bool, typer.Option("--server", help="Have the service check too; nothing is stored.")
    ] = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Find every fault of preset files: offline, against a bundle, or by the service."""
    from cli import preset_check
    from cli.authors import author_of
    from cli.preset_file import read_presets

    read = read_presets(files)
    against = []
    if store is not None or model is not None:
        against.append(preset_check.check_in_bundle(read, store, model or "production"))
    if server:
        against.append(preset_check.check_by_service(read, author_of(author), address, timeout_s))
    preset_check.show_checked(read, against, as_json=as_json)


def export(
    to: Annotated[
        Path | None,
        typer.Argument(help="A folder, or one .yaml file for all; by default stdout."),
    ] = None,
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete files of the folder of no preset in force.")
    ] = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Write every preset in force as the files that `apply` takes, for git."""
    from cli import preset_export
    from cli.client import connected

    with connected(address, timeout_s) as client:
        presets = preset_export.in_force(client)
    if to is None:
        preset_export.show_documents(presets, as_json=as_json)
    else:
        exported = preset_export.export(presets, to)
        preset_export.show_exported(exported, delete=delete, as_json=as_json)


def show(
    name: Name,
    revision: Annotated[int | None, typer.Option(min=1, help="By default that in force.")] = None,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Print a preset as the file that `apply` takes."""
    from cli import stored_presets
    from cli.client import connected

    with connected(address, timeout_s) as client:
        preset = stored_presets.stored(client, name, revision)
    stored_presets.show_preset(preset, as_json=as_json)


def list_presets(
    *,
    deleted: Annotated[bool, typer.Option("--deleted", help="List deleted presets too.")] = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Presets by name, at the revision in force, or the newest where none is."""
    from cli import stored_presets
    from cli.client import connected

    with connected(address, timeout_s) as client:
        presets = stored_presets.listed(client, show_deleted=deleted)
    stored_presets.show_presets(presets, as_json=as_json)


def delete(
    name: Name,
    etag: Annotated[
        str | None, typer.Option(help="Delete only this state of it; by default as it is.")
    ] = None,
    author: Author = None,
    reason: Reason = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Take a preset out of force; its revisions are kept."""
    from cli import stored_presets
    from cli.authors import author_of
    from cli.client import connected
    from cli.preset_conflicts import conflict_told

    signed = stored_presets.Signature(author_of(author), reason or "steerrec preset delete")
    with connected(address, timeout_s) as client, conflict_told(client, name):
        preset = stored_presets.delete(client, name, etag, signed, validate_only=dry_run)
    what = "would be deleted at" if dry_run else "deleted at"
    stored_presets.show_written(preset, what, as_json=as_json)
