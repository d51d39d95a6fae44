"""`steerrec train`: the whole run, and each step by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cli.options import MAX_SEED, AsJson, StoreUrl, refuse_options_before_subcommand

app = typer.Typer(
    invoke_without_command=True,
    help="Data -> base model -> SAE -> feature cards -> published bundle; or one step of it.",
)

Data = Annotated[
    str | None,
    typer.Option(help="Known name (e.g. ml-100k) or data config (YAML); or else --interactions."),
]
Files = Annotated[
    Path | None,
    typer.Option(help="Folder with the data set's files, where they are yours to bring."),
]
Interactions = Annotated[
    Path | None, typer.Option(help="File of who met what, when: CSV, TSV, Parquet, MovieLens.")
]
Items = Annotated[Path | None, typer.Option(help="File of what the items are.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="ROLE=COLUMN for user, item, timestamp, position, items.item or items.title.",
    ),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute", help="NAME=COLUMN[:SEPARATOR] of the items file, e.g. genre=genres:|."
    ),
]
Config = Annotated[Path | None, typer.Option(help="Training config (YAML); docs/training.md.")]
WorkDir = Annotated[
    Path | None, typer.Option(help="Folder of what each step made; a second run goes on there.")
]
Seed = Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="Goes before the config's.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; goes before the config's.")]
Estimate = Annotated[
    bool,
    typer.Option("--estimate", help="Print how long it would take and what decides it; no more."),
]
Promote = Annotated[bool, typer.Option(help="Point the label production at the bundle.")]

HELP = {
    "data": "Check the data, and print what is in it.",
    "base": "Train the base model.",
    "sae": "Train the SAE on the base model's hidden states.",
    "saelens": "Write the SAE as SAELens reads it: cfg.json, sae_weights.safetensors.",
    "cards": "Measure the feature cards and attribute groups.",
    "export": "Write the bundle's files, without publishing them.",
    "evaluate": "Measure what base model and SAE are worth on the test items.",
    "publish": "Everything: what `steerrec train` does without a step.",
}
"""What each step prints; a step does those it needs first."""


def _command(step: str | None) -> Callable[..., None]:
    def run(
        ctx: typer.Context,
        data: Data = None,
        files: Files = None,
        interactions: Interactions = None,
        items: Items = None,
        column: Columns = None,
        attribute: Attributes = None,
        config: Config = None,
        work_dir: WorkDir = None,
        store: StoreUrl = None,
        seed: Seed = None,
        device: Device = None,
        *,
        promote: Promote = True,
        estimate: Estimate = False,
        as_json: AsJson = False,
    ) -> None:
        if ctx.invoked_subcommand is not None:
            refuse_options_before_subcommand(ctx)
            return
        from cli.errors import extra

        with extra("train"):
            from cli import training_run, training_words
        training_run.run(
            step or "publish",
            training_run.Wanted(
                data=training_words.data_of(
                    data,
                    interactions=interactions,
                    items=items,
                    columns=column or [],
                    attributes=attribute or [],
                ),
                config=training_words.config_of(config, seed=seed, device=device),
                work_dir=work_dir,
                store_url=store,
                is_promoted=promote,
                files=files,
            ),
            as_json=as_json,
            only_estimate=estimate,
        )

    return run


app.callback()(_command(None))
for _step, _help in HELP.items():
    app.command(_step, help=_help)(_command(_step))
