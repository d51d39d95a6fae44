"""From a folder of files to a bundle that has proved itself, or to the name of the bad file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from model_store.bundle import Bundle
from model_store.cards import CARDS_FILE, AttributeGroup, FeatureCards
from model_store.catalogue import Catalogue, read_catalogue
from model_store.catalogue_columns import read_columns
from model_store.causes import faults_of
from model_store.errors import BundleCorrupt
from model_store.files import (
    CATALOGUE_COLUMNS_FILE,
    CATALOGUE_FILE,
    GOLDEN_FILE,
    SAE_FILE,
    SCAN_FILE,
    check_files,
)
from model_store.golden import check_golden, read_golden
from model_store.graphs import Graphs
from model_store.manifest import MANIFEST_FILE, Manifest, SaeKind
from model_store.scan import Scan
from model_store.seal import feature_space
from model_store.warm_up import warm_up, warm_up_scan
from model_store.weights import check_base_model, read_W_dec

WEIGHT_TOLERANCE = 1e-6
"""How far a group's weights may be from a sum of 1."""


def load_bundle(folder: Path, manifest: Manifest | None = None, *, threads: int = 1) -> Bundle:
    """The bundle in `folder`: checksums, contents, shapes and golden answers verified.

    Args:
        folder: the bundle's files.
        manifest: by default the folder's own.
        threads: that each graph may use.

    Raises:
        BundleCorrupt: naming the first file at fault.
    """
    manifest = manifest or read_manifest(folder)
    _check_manifest(manifest)
    check_files(folder, manifest)
    check_base_model(folder)
    W_dec = read_W_dec(folder, manifest)
    cards = _read_cards(folder / CARDS_FILE, manifest)
    catalogue = _read_catalogue(folder, manifest)
    golden = read_golden(folder / GOLDEN_FILE, manifest)
    scan = _scan(folder, manifest, threads)
    n_items = manifest.base_model.n_items
    graphs = Graphs(folder, n_items=n_items, threads=threads, ranking=scan)
    warm_up(graphs, manifest)
    if scan is not None:
        warm_up_scan(scan, graphs, manifest)
    check_golden(golden, graphs, W_dec)
    return Bundle(
        manifest=manifest,
        catalogue=catalogue,
        cards=cards,
        groups={(group.attribute.name, group.attribute.value): group for group in cards.groups},
        graphs=graphs,
        W_dec=W_dec,
        reference_activations=_reference_activations(cards),
    )


def read_manifest(folder: Path) -> Manifest:
    """The folder's manifest.

    Raises:
        BundleCorrupt: it is not there or does not parse.
    """
    try:
        return parsed_manifest((folder / MANIFEST_FILE).read_bytes())
    except FileNotFoundError:
        raise BundleCorrupt(MANIFEST_FILE, "is not there: this is no bundle") from None


def parsed_manifest(contents: bytes) -> Manifest:
    """The manifest in these bytes.

    Raises:
        BundleCorrupt: they do not parse.
    """
    try:
        return Manifest.model_validate_json(contents)
    except ValidationError as error:
        raise BundleCorrupt(MANIFEST_FILE, faults_of(error)) from None


def _check_manifest(manifest: Manifest) -> None:
    shape, sae = manifest.base_model, manifest.sae
    if manifest.hook_point.block > shape.n_blocks + 1:  # the final norm counts as one more
        reason = f"hook_point.block {manifest.hook_point.block} of {shape.n_blocks} blocks"
        raise BundleCorrupt(MANIFEST_FILE, reason)
    if sae.kind is SaeKind.TOPK and sae.k is None:
        raise BundleCorrupt(MANIFEST_FILE, "sae.k: a topk SAE has one")
    if sae.kind is SaeKind.BATCHTOPK and sae.threshold is None:
        raise BundleCorrupt(MANIFEST_FILE, "sae.threshold: a batchtopk SAE has one")
    entry = manifest.files.get(SAE_FILE)
    if entry is not None and feature_space(entry) != manifest.feature_space:
        raise BundleCorrupt(MANIFEST_FILE, f"feature_space is not that of {SAE_FILE}")


def _scan(folder: Path, manifest: Manifest, threads: int) -> Scan | None:
    """How a large catalogue is ranked; None: the upper graph ranks."""
    if SCAN_FILE not in manifest.files:
        return None
    return Scan(folder, n_items=manifest.base_model.n_items, threads=threads)


def _read_catalogue(folder: Path, manifest: Manifest) -> Catalogue:
    if CATALOGUE_COLUMNS_FILE in manifest.files:
        source = manifest.files[CATALOGUE_FILE].sha256
        catalogue = read_columns(folder / CATALOGUE_COLUMNS_FILE, source)
    else:
        catalogue = read_catalogue(folder / CATALOGUE_FILE)
    n_items = manifest.base_model.n_items
    if catalogue.n_items != n_items:
        reason = f"{catalogue.n_items} items, the manifest says {n_items}"
        raise BundleCorrupt(CATALOGUE_FILE, reason)
    return catalogue


def _read_cards(path: Path, manifest: Manifest) -> FeatureCards:
    try:
        cards = FeatureCards.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BundleCorrupt(path.name, faults_of(error)) from None
    indices = [card.feature_index for card in cards.features]
    if indices != list(range(manifest.sae.d_sae)):
        reason = f"must hold features 0 to {manifest.sae.d_sae - 1}, each once and in order"
        raise BundleCorrupt(path.name, reason)
    _check_groups(cards)
    return cards


def _check_groups(cards: FeatureCards) -> None:
    seen: set[tuple[str, str]] = set()
    for group in cards.groups:
        key = (group.attribute.name, group.attribute.value)
        fault = "is there twice" if key in seen else _group_fault(group, cards)
        if fault is not None:
            raise BundleCorrupt(CARDS_FILE, f"group {key[0]}={key[1]}: {fault}")
        seen.add(key)


def _group_fault(group: AttributeGroup, cards: FeatureCards) -> str | None:
    members = [member.feature_index for member in group.members]
    total = sum(member.weight for member in group.members)
    if len(set(members)) != len(members):
        return "a feature is a member twice"
    if max(members) >= len(cards.features):
        return f"feature {max(members)} does not exist"
    dead = [index for index in members if cards.features[index].is_dead]
    if dead:
        return f"feature {dead[0]} is dead"
    if abs(total - 1) > WEIGHT_TOLERANCE:
        return f"weights sum to {total}, must be 1"
    return None


def _reference_activations(cards: FeatureCards) -> NDArray[np.float32]:
    references = np.array([card.reference_activation for card in cards.features], dtype=np.float32)
    references.flags.writeable = False
    return references
