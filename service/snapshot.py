"""What one replica serves at one moment: bundles with their compiled presets, swapped as one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from model_store.bundle import Bundle
from service.directions import ItemDirections
from service.errors import ModelNotServed
from service.feature_search import FeatureSearch
from service.item_heads import ItemHeads
from service.presets.compiled import Bench, CompiledPresets
from service.state_cache import StateCache
from service.steerable import Steerable
from steering.rules import Attribute
from steering.space import FeatureSpace


@dataclass(frozen=True, eq=False, slots=True)
class ServedModel:
    """A bundle and the presets that were checked against it."""

    bundle: Bundle
    bench: Bench
    """What presets are compiled with for this bundle."""
    presets: CompiledPresets
    """Every preset in force, compiled."""
    search: FeatureSearch
    """Finds its features by words."""
    item_counts: Mapping[tuple[str, str], int]
    """Items that carry an attribute, by (name, value)."""
    steerables: Mapping[Attribute, Steerable]
    """What a target can name, and who carries it."""
    directions: ItemDirections
    """How shifts move scores, where that is linear."""
    states: StateCache
    """Hidden states of histories asked about lately."""
    loaded_at: datetime
    """When this replica began to serve it, UTC."""
    item_heads: ItemHeads = field(default_factory=ItemHeads)
    """Its items as replies have them."""

    @property
    def space(self) -> FeatureSpace:
        """What rules can name in this bundle."""
        return self.bench.space


@dataclass(frozen=True, eq=False, slots=True)
class Snapshot:
    """Everything a request reads. Never changed: a new one takes its place."""

    models: Mapping[str, ServedModel] = field(default_factory=dict)
    """By version."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Version that each label points to; it is among `models`."""

    def model(self, name: str) -> ServedModel:
        """The model of a label or version; a label goes first.

        Raises:
            ModelNotServed: neither is served here.
        """
        served = self.models.get(self.labels.get(name, name))
        if served is None:
            raise ModelNotServed(name, sorted({*self.labels, *self.models}))
        return served

    def labels_of(self, version: str) -> list[str]:
        """Labels that point to a version, by name."""
        return sorted(label for label, own in self.labels.items() if own == version)


class Current:
    """The one reference that requests read, once each."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        """Replaced by assignment only."""


def feature_space_of(bundle: Bundle) -> FeatureSpace:
    """What rules can name in a bundle, from its cards."""
    groups = {Attribute(*name): group.weights for name, group in bundle.groups.items()}
    return FeatureSpace.of(bundle.reference_activations, groups)


def item_counts_of(bundle: Bundle) -> Mapping[tuple[str, str], int]:
    """Items of the catalogue that carry each attribute, by (name, value)."""
    catalogue = bundle.catalogue
    carriers = np.bincount(catalogue.attribute_set_of, minlength=len(catalogue.attribute_sets))
    counts: Counter[tuple[str, str]] = Counter()
    for attributes, n_items in zip(catalogue.attribute_sets, carriers.tolist(), strict=True):
        for name, values in attributes.items():
            counts.update({(name, value): n_items for value in values})
    return counts
