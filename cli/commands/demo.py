"""`steerrec demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[
        Path, typer.Option("--dir", help="Where the bundle and the service's data are kept.")
    ] = Path("var"),
    users: Annotated[
        int, typer.Option(min=0, help="Test users that the figure is measured on; 0: none.")
    ] = 200,
    config: Annotated[
        Path | None, typer.Option(help="Training config (YAML); by default that for ml-100k.")
    ] = None,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the service up, and print commands to try.")
    ] = False,
) -> None:
    """Train on ml-100k, serve, steer one user, show what changed; the second run is quick."""
    from cli.demo.story import run

    run(folder, config, users=users, keep=keep)
