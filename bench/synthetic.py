"""Bundles of any size with random weights: what serving costs does not depend on what they say.

The graphs are those that training exports, so that the arithmetic is SASRec's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from model_store.cards import AttributeGroup, AttributeValue, FeatureCard, FeatureCards, GroupMember
from model_store.manifest import (
    BaseModelShape,
    DataIdentity,
    EditPositions,
    HookPoint,
    SaeKind,
    SaeShape,
)
from model_store.seal import seal
from model_store.store import Store
from training.bundle_files import write_bundle_files
from training.dataset import Dataset, Item
from training.sae import Sae
from training.sasrec import Sasrec

CACHE = Path(__file__).parents[1] / ".cache" / "bench"
N_GROUPS = 20
GROUP_SIZE = 10
N_USERS = 2000
POPULARITY_EXPONENT = 0.8
"""Of the power law over items."""
LENGTH_EXPONENT = 1.2
"""Of the power law over history lengths (ETUDE, ICDE 2024, uses one too)."""


@dataclass(frozen=True)
class Workload:
    """Sizes of one bundle."""

    name: str
    n_items: int
    d_model: int
    d_sae: int
    max_seq: int = 50
    n_blocks: int = 2
    n_heads: int = 2
    k: int = 32
    blocks_above: int = 0
    """The hook's, whose edit then touches all positions; 0: it is after the last block."""

    @property
    def hook_point(self) -> HookPoint:
        """Where the SAE reads."""
        block = self.n_blocks - self.blocks_above
        positions = EditPositions.ALL if self.blocks_above else EditPositions.LAST
        return HookPoint(block=block, positions=positions)


S = Workload("S", n_items=3_500, d_model=64, d_sae=1_024)
M = Workload("M", n_items=27_000, d_model=128, d_sae=2_048)
M_BELOW = Workload("M_BELOW", n_items=27_000, d_model=128, d_sae=2_048, blocks_above=1)
"""M hooked before the last block."""
L = Workload("L", n_items=100_000, d_model=64, d_sae=1_024)
XL = Workload("XL", n_items=1_000_000, d_model=64, d_sae=1_024)
WORKLOADS = {own.name: own for own in (S, M, M_BELOW, L, XL)}


def histories(
    workload: Workload, seed: int = 0, n_users: int = N_USERS
) -> tuple[NDArray[np.int32], ...]:
    """Histories of `n_users` with power-law popularity and lengths, item indices oldest first."""
    rng = np.random.default_rng(seed)
    weight = np.arange(1, workload.n_items + 1) ** -POPULARITY_EXPONENT
    longest = 4 * workload.max_seq
    lengths = np.minimum(3 + 5 * rng.pareto(LENGTH_EXPONENT, n_users), longest).astype(int)
    drawn = rng.choice(workload.n_items, size=int(lengths.sum()), p=weight / weight.sum()) + 1
    return tuple(np.split(drawn.astype(np.int32), np.cumsum(lengths)[:-1]))


def stored(name: str) -> str:
    """Root of a store whose production bundle is the workload's of that name, made if need be."""
    root = str(CACHE / name)
    publish(WORKLOADS[name], Store(root))
    return root


def publish(workload: Workload, store: Store) -> str:
    """The version of the workload's bundle in the store, promoted to production."""
    version = f"synthetic-{workload.name.lower()}-4"
    if version not in store.versions():
        with TemporaryDirectory() as folder:
            _write(workload, Path(folder), version, store)
    store.promote("production", version)
    return version


def _write(workload: Workload, folder: Path, version: str, store: Store) -> None:
    shape = BaseModelShape(
        n_items=workload.n_items,
        max_seq=workload.max_seq,
        d_model=workload.d_model,
        n_blocks=workload.n_blocks,
        n_heads=workload.n_heads,
    )
    sae_shape = SaeShape(kind=SaeKind.TOPK, d_sae=workload.d_sae, k=workload.k)
    users = histories(workload)
    write_bundle_files(
        folder,
        Sasrec(shape),
        Sae(sae_shape, workload.d_model),
        workload.hook_point.block,
        _cards(workload),
        _dataset(workload, users),
        users,
    )
    manifest = seal(
        folder,
        version=version,
        base_model=shape,
        hook_point=workload.hook_point,
        sae=sae_shape,
        data=DataIdentity(
            name="synthetic",
            sha256="0" * 64,
            n_users=len(users),
            n_interactions=sum(map(len, users)),
        ),
        metrics={},
    )
    store.publish(folder, manifest)


def _dataset(workload: Workload, users: Sequence[NDArray[np.int32]]) -> Dataset:
    items = tuple(
        Item(str(i), f"Item {i}", {"group": (str(i % N_GROUPS),)})
        for i in range(1, workload.n_items + 1)
    )
    names = tuple(map(str, range(len(users))))
    return Dataset("synthetic", items, names, tuple(users), "0" * 64)


def _cards(workload: Workload) -> FeatureCards:
    rng = np.random.default_rng(1)
    features = tuple(
        FeatureCard(feature_index=i, reference_activation=1.0, density=0.02)
        for i in range(workload.d_sae)
    )
    groups = tuple(
        AttributeGroup(
            attribute=AttributeValue(name="group", value=str(i)),
            members=tuple(
                GroupMember(feature_index=int(f), weight=1 / GROUP_SIZE)
                for f in sorted(rng.choice(workload.d_sae, GROUP_SIZE, replace=False))
            ),
        )
        for i in range(N_GROUPS)
    )
    return FeatureCards(features=features, groups=groups)
