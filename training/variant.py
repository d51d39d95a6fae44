"""A float32 bundle, once more in lower precision, if it keeps its answers (ADR 0015).

Everything but the graphs and the golden request stays as it is: item vectors, the SAE and its
encoder, cards, catalogue. So a rule means the same, and ranking is exact by the same vectors.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from model_store.bundle import Bundle
from model_store.errors import ModelStoreError
from model_store.files import (
    BASE_MODEL_FILE,
    GOLDEN_FILE,
    LOWER_FILE,
    SCAN_FILE,
    SCAN_WEIGHTS_FILE,
    UPPER_FILE,
)
from model_store.golden import answered, read_golden
from model_store.graphs import Graph, Graphs
from model_store.load import load_bundle, read_manifest
from model_store.manifest import MANIFEST_FILE, Manifest, Precision, Variant
from model_store.scan import Scan
from model_store.seal import seal
from model_store.store import Store
from model_store.weights import read_W_dec
from training.batches import Items, left_padded, length_batches
from training.bundle_files import load_model
from training.dataset import Dataset
from training.errors import VariantOfVariant, VariantRefused
from training.export import lower_graph, upper_graph
from training.likeness import Histories, histories_of, ndcg_kept, overlap, slates_of
from training.precision import WATCHED, Range, Ranges, WatchedGraph, builder_of
from training.sasrec import Sasrec
from training.scan import scan_graph

BATCH = 32
ATOL = {Precision.FLOAT32: 1e-3, Precision.BFLOAT16: 1e-3, Precision.INT8: 2e-2}
"""Of the golden request: another processor's float32 may round to the neighbouring code."""


class Least(NamedTuple):
    """What a variant must keep to be published."""

    overlap_at_10: float = 0.95
    """Mean share of the float32 bundle's first 10."""
    overlap_at_20: float = 0.95
    """The same of 20."""
    ndcg_kept_share: float = 0.99
    """NDCG@10 over the float32 bundle's."""


DEFAULT_LEAST = Least()


class Made(NamedTuple):
    """A variant that was judged."""

    manifest: Manifest
    """Its own."""
    judged: Variant
    """What it keeps."""
    size_bytes: tuple[int, int]
    """All files: of the float32 bundle, and of this one."""


def publish_variant(
    store: Store,
    label_or_version: str,
    precision: Precision,
    *,
    dataset: Dataset | None = None,
    least: Least = DEFAULT_LEAST,
    report: Callable[[Made, Least], None] = lambda _made, _least: None,
) -> Made:
    """The variant, judged and published under a version of its own.

    Args:
        store: that has the bundle, and gets the variant.
        label_or_version: of the float32 bundle.
        precision: of the variant.
        dataset: what the bundle was trained on; None: histories drawn by popularity, of which no
            NDCG is known.
        least: what it must keep.
        report: told what it keeps, before it is refused for it.

    Raises:
        VariantRefused: it keeps too little; nothing is published.
        VariantOfVariant: the bundle is none of float32.
        OtherCatalogue: the data is not what the bundle was trained on.
        BundleMissing, BundleCorrupt, VersionExists: as the store says.
    """
    with store.opened(label_or_version) as source, tempfile.TemporaryDirectory() as passing:
        bundle = load_bundle(source)
        if bundle.manifest.variant is not None:
            own = bundle.manifest
            raise VariantOfVariant(own.version, own.precision, bundle.manifest.variant.of)
        histories = histories_of(bundle, dataset)
        folder = Path(passing) / "bundle"
        write_variant(source, folder, precision, histories.seen)
        made = _judged(bundle, folder, precision, histories)
        report(made, least)
        check_kept(made.judged, precision, least)
        store.publish(folder, made.manifest)
    return made


def variants_of(store: Store, version: str) -> dict[Precision, str]:
    """Versions made of the float32 one, the oldest of each precision."""
    found: dict[Precision, str] = {}
    for known in store.versions():
        with suppress(ModelStoreError):  # says nothing of others
            own = store.manifest(known)
            if own.variant is not None and own.variant.of == version:
                found[own.precision] = known
    return found


def check_kept(judged: Variant, precision: Precision, least: Least) -> None:
    """Refuse what keeps too little.

    Raises:
        VariantRefused: naming the first figure that is too low.
    """
    for figure, smallest in least._asdict().items():
        value = getattr(judged, figure)
        if value is not None and value < smallest:
            raise VariantRefused(precision, figure, value, smallest)


def write_variant(source: Path, folder: Path, precision: Precision, seen: Sequence[Items]) -> None:
    """Writes every file of the variant but the manifest.

    Args:
        source: a float32 bundle's files.
        folder: to make.
        precision: of the variant.
        seen: histories for the ranges of int8.
    """
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(MANIFEST_FILE))
    manifest = read_manifest(source)
    model = load_model(source / BASE_MODEL_FILE, manifest.base_model)
    block = manifest.hook_point.block
    is_scanned = SCAN_FILE in manifest.files
    mapped = folder / BASE_MODEL_FILE if is_scanned else None
    ranges = _ranges(folder, model, block, mapped, seen) if precision is Precision.INT8 else {}
    builder = builder_of(precision, ranges)
    onnx.save(lower_graph(model, block, mapped, builder), folder / LOWER_FILE)
    if block < model.shape.n_blocks:  # above the last block there is no product but the scores
        onnx.save(upper_graph(model, block, mapped, builder), folder / UPPER_FILE)
    if block < model.shape.n_blocks and is_scanned:
        lists = "scores" in Graph(source / SCAN_FILE, 1).outputs
        weights = folder / SCAN_WEIGHTS_FILE
        graph = scan_graph(model, block, weights, lists=lists, builder=builder)
        onnx.save(graph, folder / SCAN_FILE)
    golden = read_golden(source / GOLDEN_FILE, manifest)
    graphs = Graphs(folder, n_items=model.shape.n_items)
    again = answered(golden, graphs, read_W_dec(folder, manifest), ATOL[precision])
    (folder / GOLDEN_FILE).write_text(again.model_dump_json())


def _judged(bundle: Bundle, folder: Path, precision: Precision, histories: Histories) -> Made:
    own = bundle.manifest
    n_items = own.base_model.n_items
    scan = Scan(folder, n_items=n_items) if SCAN_FILE in own.files else None
    graphs = Graphs(folder, n_items=n_items, ranking=scan)
    max_seq = own.base_model.max_seq
    before = slates_of(bundle.graphs, histories.judged, max_seq)
    after = slates_of(graphs, histories.judged, max_seq)
    variant = Variant(
        of=own.version,
        histories=histories.name,
        n_histories=len(histories.judged),
        overlap_at_10=overlap(before, after, 10),
        overlap_at_20=overlap(before, after, 20),
        ndcg_kept_share=ndcg_kept(before, after, histories.targets),
    )
    created_at = datetime.now(UTC).replace(microsecond=0)
    parts = {name: getattr(own, name) for name in ("base_model", "hook_point", "sae", "data")}
    manifest = seal(
        folder,
        **parts,
        metrics=own.metrics,
        code_commit=own.code_commit,
        created_at=created_at,
        precision=precision,
        variant=variant,
    )
    sizes = [sum(f.size_bytes for f in files.files.values()) for files in (own, manifest)]
    return Made(manifest, variant, (sizes[0], sizes[1]))


def _ranges(
    folder: Path, model: Sasrec, block: int, mapped: Path | None, seen: Sequence[Items]
) -> Ranges:
    """What the inputs of all products lay between."""
    ranges: dict[str, Range] = {}
    for name, values in _watched(folder, model, block, mapped, seen):
        own = Range.of(values)
        ranges[name] = own.joined(ranges.get(name, own))
    return ranges


def _watched(
    folder: Path, model: Sasrec, block: int, mapped: Path | None, seen: Sequence[Items]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Name and input of every product, batch by batch."""
    onnx.save(lower_graph(model, block, mapped, WatchedGraph), folder / LOWER_FILE)
    onnx.save(upper_graph(model, block, mapped, WatchedGraph), folder / UPPER_FILE)
    lower, upper = Graph(folder / LOWER_FILE, 1), Graph(folder / UPPER_FILE, 1)
    nothing = {"excluded": np.zeros((1, 1), dtype=np.int64), "k": np.array([1], dtype=np.int64)}
    for rows in length_batches(seen, BATCH):
        items = left_padded([seen[row] for row in rows], model.shape.max_seq).numpy()
        nothing["excluded"] = np.zeros((len(items), 1), dtype=np.int64)
        hidden = lower.run(["hidden"], items=items)[0]
        for graph in (lower, upper):
            names = [name for name in graph.outputs if name.startswith(WATCHED)]
            if names:
                values = graph.run(names, items=items, hidden=hidden, **nothing)
                yield from zip((n.removeprefix(WATCHED) for n in names), values, strict=True)
