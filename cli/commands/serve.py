"""`steerrec serve`."""

from typing import Annotated

import typer


def serve(
    bind: Annotated[
        str | None, typer.Option(help="Address of the gRPC port; port 0 takes a free one.")
    ] = None,
    metrics_bind: Annotated[
        str | None, typer.Option(help="Address of the Prometheus port.")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of embedded Redis, presets and bundles.")
    ] = None,
    bundles: Annotated[
        str | None, typer.Option("--store", help="Model store: a folder or an fsspec URL.")
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(help="Processes on the gRPC port; auto: one for each core."),
    ] = None,
) -> None:
    """Run one replica until SIGTERM, SIGHUP or Ctrl-C; docs/settings.md has every setting.

    An option goes before the STEERREC_ environment variable of the same setting.
    """
    from cli.replica import replica_settings, run

    settings = replica_settings(
        bind=bind,
        metrics_bind=metrics_bind,
        data_dir=data_dir,
        bundles=bundles,
        workers=workers,
    )
    run(settings)
