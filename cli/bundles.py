"""Bundles of a store: listed, shown, promoted, rolled back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.table import Table

from cli.errors import NotFound, Refused, told_as
from cli.output import note, show, show_json, table
from cli.replica import replica_settings
from model_store.errors import BundleMissing, LabelMissing, ModelStoreError, StoreUnusable
from model_store.manifest import Manifest, Variant
from model_store.store import Store


def store_at(url: str | None) -> Store:
    """The store at `url`; without one, the service's own.

    Raises:
        Refused: it names nothing that can be opened, or the service's settings do not name one.
    """
    with told_as(Refused, StoreUnusable):
        return Store(service_store() if url is None else url)


def service_store() -> str:
    """Root of the service's own store.

    Raises:
        Refused: the service's settings are wrong, or name none where there is no home folder.
    """
    try:
        return replica_settings().store_root
    except Refused as refused:
        raise Refused([*refused.faults, "or name a store by --store"]) from None


@contextmanager
def store_errors_told() -> Iterator[None]:
    """Ends the command with what a store says of a missing or bad bundle."""
    with (
        told_as(Refused, ModelStoreError),
        told_as(NotFound, BundleMissing, LabelMissing),
    ):
        yield


def show_bundles(store: Store, *, as_json: bool) -> None:
    """Print one line for each published bundle, newest first."""
    with store_errors_told():
        manifests = list(_manifests(store))
        labels = store.labels(_left_out)
    if as_json:
        show_json([_with_labels(manifest, labels) for manifest in manifests])
        return
    columns = (
        *("version", "labels", "data", "precision"),
        *("items", "features", "NDCG@10", "made (UTC)"),
    )
    made = table(*columns, right=("items", "features", "NDCG@10"))
    for manifest in manifests:
        ndcg = manifest.metrics.get("ndcg_at_10")
        made.add_row(
            manifest.version,
            ", ".join(_labels_of(manifest, labels)),
            manifest.data.name,
            manifest.precision,
            str(manifest.base_model.n_items),
            str(manifest.sae.d_sae),
            "" if ndcg is None else f"{ndcg:.4f}",
            f"{manifest.created_at:%Y-%m-%d %H:%M}",
        )
    show(made)


def _manifests(store: Store) -> Iterator[Manifest]:
    """Of every published version that can be read; of the others it is said why not."""
    for version in store.versions():
        try:
            yield store.manifest(version)
        except ModelStoreError as error:
            note(f"version {version} is left out: {error}")


def _left_out(error: ModelStoreError) -> None:
    note(f"a label is left out: {error}")


def show_bundle(store: Store, label_or_version: str, *, as_json: bool) -> None:
    """Print what one bundle is, and the metrics that it earned."""
    with store_errors_told():
        manifest = store.manifest(store.resolve(label_or_version))
        labels = store.labels(_left_out)
    if as_json:
        show_json(_with_labels(manifest, labels))
        return
    shown = [_facts_table(manifest, labels), metrics_table(manifest.metrics)]
    show(*shown, *([_variant_table(manifest.variant)] if manifest.variant else []))


def promote(store: Store, label: str, version: str, *, as_json: bool) -> None:
    """Point the label at the version, once that has proved itself."""
    with store_errors_told():
        store.promote(label, version)
    _show_pointer(label, version, as_json=as_json)


def roll_back(store: Store, label: str, *, as_json: bool) -> None:
    """Point the label at the version before."""
    with store_errors_told():
        version = store.rollback(label)
    _show_pointer(label, version, as_json=as_json)


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """The metrics that a bundle earned in training."""
    made = table("metric", "value", right=["value"])
    for name, value in sorted(metrics.items()):
        made.add_row(name, f"{value:.4f}")
    return made


def _show_pointer(label: str, version: str, *, as_json: bool) -> None:
    if as_json:
        show_json({"label": label, "version": version})
    else:
        show(f"{label} -> {version}")


def _hook(block: int, n_blocks: int) -> str:
    return f"block {block} of {n_blocks}" if block <= n_blocks else "final norm"


def _facts_table(manifest: Manifest, labels: Mapping[str, str]) -> Table:
    shape, sae, hook = manifest.base_model, manifest.sae, manifest.hook_point
    made = table("fact", "value")
    for fact, value in (
        ("version", manifest.version),
        ("labels", ", ".join(_labels_of(manifest, labels)) or "none"),
        ("made (UTC)", f"{manifest.created_at:%Y-%m-%d %H:%M}"),
        ("code commit", manifest.code_commit),
        ("data", f"{manifest.data.name}, {manifest.data.n_users} users"),
        ("base model", f"{shape.n_items} items, d_model {shape.d_model}, seq {shape.max_seq}"),
        ("hook point", f"{_hook(hook.block, shape.n_blocks)}, positions {hook.positions}"),
        ("SAE", f"{sae.kind}, {sae.d_sae} features"),
        ("feature space", manifest.feature_space),
        ("precision", manifest.precision),
        ("size", f"{sum(f.size_bytes for f in manifest.files.values()) / 2**20:.1f} MiB"),
    ):
        made.add_row(fact, value)
    return made


def _variant_table(variant: Variant) -> Table:
    """What a bundle of lower precision keeps of the float32 one."""
    made = table("variant", "value")
    for name, value in variant.model_dump().items():
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
        made.add_row(name, "not known" if value is None else text)
    return made


def _labels_of(manifest: Manifest, labels: Mapping[str, str]) -> list[str]:
    return sorted(label for label, version in labels.items() if version == manifest.version)


def _with_labels(manifest: Manifest, labels: Mapping[str, str]) -> dict[str, object]:
    facts = {"precision": manifest.precision, **manifest.model_dump(mode="json")}
    return {**facts, "labels": _labels_of(manifest, labels)}
