"""Sets of directions to read the same hidden states by: SAE features and what they must beat.

A linear direction is read as it is, never rectified: a rectifier could only hide order from the
measures. Where the sign of a direction means nothing (coordinates, components), it is read in both.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from model_store.manifest import BaseModelShape
from training.batches import Items, generator
from training.config import SaeConfig
from training.sae import Sae
from training.sasrec import Sasrec
from training.study.moments import newest_hidden
from training.train_sae import SaeTrainer, train_sae

ENCODE_ROWS = 4_096
ICA_ITERATIONS = 300
ICA_TOLERANCE = 1e-3

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DirectionSet:
    """Directions that are judged together."""

    name: str
    """What tables call it."""
    activations: Float32
    """[rows, n]; of any sign, larger means more."""

    @property
    def n(self) -> int:
        """Number of directions, both signs of one counted as two."""
        return int(self.activations.shape[1])


@torch.no_grad()
def sae_features(name: str, sae: Sae, hidden: Tensor) -> DirectionSet:
    """The features of an SAE that reads hidden states [rows, d_model]."""
    parts = [sae.encode(rows).cpu().numpy() for rows in torch.split(hidden, ENCODE_ROWS)]
    return DirectionSet(name, np.concatenate(parts))


@torch.no_grad()
def feature_projections(sae: Sae, hidden: Tensor) -> DirectionSet:
    """The same features before rectifier and sparsity: what their directions alone can tell."""
    return DirectionSet("SAE, not sparse", sae.pre_activations(hidden).cpu().numpy())


def hidden_dimensions(hidden: Tensor) -> DirectionSet:
    """The coordinates of hidden states [rows, d_model], both signs: 2 d_model directions."""
    return DirectionSet("hidden dimensions", _both_signs(_centred(hidden)))


def random_directions(hidden: Tensor, n: int, *, seed: int, both_signs: bool) -> DirectionSet:
    """Directions drawn uniformly from the sphere: n of them, or n and their opposites."""
    drawn = generator(seed, 5).standard_normal((hidden.shape[1], n))
    read = _centred(hidden) @ (drawn / np.linalg.norm(drawn, axis=0)).astype(np.float32)
    values = _both_signs(read) if both_signs else read
    return DirectionSet(f"random {values.shape[1]}", values)


def whitened_random_directions(hidden: Tensor, n: int, *, seed: int) -> DirectionSet:
    """Random directions of hidden states whose principal components all have variance 1.

    Without whitening, a few components of large variance fill every random direction.
    """
    left, _, _ = np.linalg.svd(_centred(hidden), full_matrices=False)
    drawn = generator(seed, 5).standard_normal((left.shape[1], n)).astype(np.float32)
    return DirectionSet(f"random {n}, whitened", left * np.sqrt(len(left)) @ drawn)


def principal_components(hidden: Tensor) -> DirectionSet:
    """All principal components of the hidden states, both signs: 2 d_model directions."""
    centred = _centred(hidden)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    return DirectionSet("PCA", _both_signs(centred @ components.T))


def independent_components(hidden: Tensor, *, seed: int) -> DirectionSet:
    """Components as independent as FastICA makes them, both signs: 2 d_model directions.

    Where it has not converged within its iterations, the last unmixing is as good a control.
    """
    ica = FastICA(
        whiten="unit-variance", max_iter=ICA_ITERATIONS, tol=ICA_TOLERANCE, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        sources = ica.fit_transform(_centred(hidden))
    return DirectionSet("ICA", _both_signs(sources.astype(np.float32)))


def untrained_features(
    shape: BaseModelShape,
    config: SaeConfig,
    block: int,
    begun: Sequence[Items],
    *,
    seed: int,
) -> DirectionSet:
    """Features of an SAE trained on an untrained model's hidden states of the same histories.

    Both learning and reading use the random model: what is found is in the data and in the
    architecture, not learned by the base model.
    """
    torch.manual_seed(seed)
    hidden = newest_hidden(Sasrec(shape).eval(), begun, block)
    sae = train_sae(SaeTrainer(config, hidden, seed=seed))
    return sae_features("SAE, untrained model", sae, hidden)


def _centred(hidden: Tensor) -> Float32:
    return np.asarray((hidden - hidden.mean(0)).cpu().numpy(), dtype=np.float32)


def _both_signs(values: Float32) -> Float32:
    return np.concatenate([values, -values], axis=1)
