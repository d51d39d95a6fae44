"""`steerrec preset`: preset files, checked offline, applied to a running service."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Address, AsJson, StoreUrl, TimeoutS

app = typer.Typer(no_args_is_help=True, help="Named rules: check, apply, get, list, delete.")

Files = Annotated[list[Path], typer.Argument(help="Preset files (YAML).")]
Name = Annotated[str, typer.Argument(help="Name of the preset.")]
Author = Annotated[
    str, typer.Option(envvar="USER", help="Who writes, for the audit log.", show_default=False)
]
Reason = Annotated[str | None, typer.Option(help="Why, for the audit log.")]


@app.command("apply")
def apply(
    files: Files,
    author: Author = "steerrec",
    reason: Reason = None,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Put preset files in force; one that says what is in force already writes nothing."""
    from cli import preset_apply
    from cli.client import connected
    from cli.preset_file import read_presets

    read = read_presets(files)
    applied = []
    with connected(address, timeout_s) as client:
        for file in read:
            why = reason or f"steerrec preset apply {file.source.path.name}"
            signed = preset_apply.Signature(author, why)
            applied.append(preset_apply.apply(client, file.preset.message(), signed))
    preset_apply.show_applied(applied, as_json=as_json)


@app.command("check")
def check(
    files: Files,
    store: StoreUrl = None,
    model: Annotated[
        str | None, typer.Option(help="Check against this label or version of the store.")
    ] = None,
    author: Author = "steerrec",
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
    from cli.preset_file import read_presets

    read = read_presets(files)
    against = []
    if store is not None or model is not None:
        against.append(preset_check.check_in_bundle(read, store, model or "production"))
    if server:
        against.append(preset_check.check_by_service(read, author, address, timeout_s))
    preset_check.show_checked(read, against, as_json=as_json)


@app.command("get")
def get(
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


@app.command("list")
def list_presets(
    *,
    deleted: Annotated[bool, typer.Option("--deleted", help="List deleted presets too.")] = False,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Presets by name, at their newest revision."""
    from cli import stored_presets
    from cli.client import connected

    with connected(address, timeout_s) as client:
        presets = stored_presets.listed(client, show_deleted=deleted)
    stored_presets.show_presets(presets, as_json=as_json)


@app.command("delete")
def delete(
    name: Name,
    etag: Annotated[
        str | None, typer.Option(help="Delete only this revision; by default that in force.")
    ] = None,
    author: Author = "steerrec",
    reason: Reason = None,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Take a preset out of force; its revisions are kept."""
    from cli import stored_presets
    from cli.client import connected

    why = reason or "steerrec preset delete"
    with connected(address, timeout_s) as client:
        preset = stored_presets.delete(client, name, etag, author=author, reason=why)
    stored_presets.show_deleted(preset, as_json=as_json)
