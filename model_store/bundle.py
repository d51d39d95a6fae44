"""A loaded bundle: what a replica serves from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_store.cards import AttributeGroup, FeatureCards
from model_store.catalogue import Catalogue
from model_store.graphs import Graphs
from model_store.manifest import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """One version, verified and warm. Nothing in it changes; threads may share it."""

    manifest: Manifest
    """What it is."""
    catalogue: Catalogue
    """Its items."""
    cards: FeatureCards
    """What is known of its features."""
    groups: Mapping[tuple[str, str], AttributeGroup]
    """The cards' attribute groups by (attribute name, value)."""
    graphs: Graphs
    """Its model."""
    W_dec: NDArray[np.float32]
    """[d_sae, d_model], the direction that each feature adds to the hidden state."""
    reference_activations: NDArray[np.float32]
    """[d_sae], the unit of each feature's rules; 0: dead."""

    @property
    def version(self) -> str:
        """Name of this bundle."""
        return self.manifest.version

    @property
    def feature_space(self) -> str:
        """Identity of its SAE: feature indices mean something only within one."""
        return self.manifest.feature_space
