"""`steerrec study`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import MAX_SEED


def study(
    data: Annotated[
        str,
        typer.Option(
            help="ml-100k, ml-1m, amazon-beauty or movietweetings, or a data config (YAML)."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the results; the same one again goes on there.")
    ],
    files: Annotated[
        Path | None,
        typer.Option(help="Folder with the data set's files, which are yours to bring."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Study config (YAML), over the data set's recipe.")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            min=0, max=MAX_SEED, help="Of a base model; once for each. Goes before the config's."
        ),
    ] = None,
    parts: Annotated[
        str | None, typer.Option(help="Parts to do, with commas between; by default all.")
    ] = None,
    work_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of what is trained; by default `work` in the results'."),
    ] = None,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Everything shrunk to minutes: its figures mean little.")
    ] = False,
) -> None:
    """Measure what base model, features and steering are worth; write a report."""
    from cli.errors import extra

    with extra("study"):
        from cli import study_run
    study_run.run(
        study_run.Asked(
            data=data,
            out=out,
            files=files,
            config=config,
            seeds=tuple(seed or ()),
            parts=tuple(filter(None, (name.strip() for name in (parts or "").split(",")))),
            work_dir=work_dir,
            is_quick=quick,
        )
    )
