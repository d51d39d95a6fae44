"""`steerrec models`: bundles of a store, and the one that a service answers from."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT_S,
    Address,
    AsJson,
    Model,
    StoreUrl,
    TimeoutS,
)

app = typer.Typer(
    no_args_is_help=True, help="Bundles: list, show, promote, roll back, variant, served."
)

Precision = Annotated[str, typer.Option(help="int8 or bfloat16 (bf16).")]
Share = Annotated[float, typer.Option(min=0, max=1)]

Label = Annotated[str, typer.Argument(help="E.g. production or canary.")]


@app.command("list")
def list_models(store: StoreUrl = None, *, as_json: AsJson = False) -> None:
    """Published bundles of a store, newest first."""
    from cli import bundles
    from cli.empty_store import found_in
    from cli.output import note

    looked_at = bundles.store_at(store)
    with bundles.store_errors_told():
        is_empty = not looked_at.versions()
    if as_json or not is_empty:
        bundles.show_bundles(looked_at, as_json=as_json)
    else:
        note(
            f"no bundle: {found_in(looked_at)}; `steerrec models served` asks a service for its own"
        )


@app.command("show")
def show_model(
    label_or_version: Annotated[str, typer.Argument(help="Label or version.")] = "production",
    store: StoreUrl = None,
    *,
    as_json: AsJson = False,
) -> None:
    """What one bundle of a store is, and the metrics it earned."""
    from cli import bundles

    bundles.show_bundle(bundles.store_at(store), label_or_version, as_json=as_json)


@app.command("promote")
def promote(
    version: Annotated[str, typer.Argument(help="Version to point the label at.")],
    label: Label = "production",
    store: StoreUrl = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Point a label at a version that loads and answers its golden request."""
    from cli import bundles

    bundles.promote(bundles.store_at(store), label, version, as_json=as_json)


@app.command("rollback")
def roll_back(
    label: Label = "production", store: StoreUrl = None, *, as_json: AsJson = False
) -> None:
    """Point a label at the version before."""
    from cli import bundles

    bundles.roll_back(bundles.store_at(store), label, as_json=as_json)


@app.command("variant")
def make_variant(
    label_or_version: Annotated[str, typer.Argument(help="The float32 bundle.")] = "production",
    precision: Precision = "int8",
    data: Annotated[
        str | None,
        typer.Option(help="What it was trained on (name or data config): NDCG is compared too."),
    ] = None,
    files: Annotated[
        Path | None, typer.Option(help="Folder with the data set's files, where they are yours.")
    ] = None,
    least_overlap_at_10: Share = 0.95,
    least_overlap_at_20: Share = 0.95,
    least_ndcg_kept_share: Share = 0.99,
    store: StoreUrl = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Publish a bundle once more in lower precision, if it keeps the float32 answers."""
    from cli.errors import extra

    with extra("train"):
        from cli import model_variant
    model_variant.publish(
        label_or_version,
        precision,
        data=data,
        files=files,
        least=(least_overlap_at_10, least_overlap_at_20, least_ndcg_kept_share),
        store_url=store,
        as_json=as_json,
    )


@app.command("served")
def served(
    model: Model = "",
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """The bundle that a service answers from."""
    from cli import served_model
    from cli.client import connected

    with connected(address, timeout_s) as client:
        reply = served_model.served(client, model)
    served_model.show_served(reply, as_json=as_json)
