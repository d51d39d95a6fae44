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

NOT_SPARSE = "SAE, not sparse"
"""Name of the SAE's own directions before rectifier and sparsity."""
ENCODE_ROWS = 4_096
ICA_ITERATIONS = 300
ICA_TOLERANCE = 1e-3
ICA_ROWS = 8_000

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
    return DirectionSet(NOT_SPARSE, sae.pre_activations(hidden).cpu().numpy())


def hidden_dimensions(hidden: Tensor) -> DirectionSet:
    """The coordinates of hidden states [rows, d_model], both signs: 2 d_model directions."""
    return DirectionSet("hidden dimensions", _both_signs(_centred(hidden)))


def live(directions: DirectionSet) -> npt.NDArray[np.int64]:
    """Columns that vary: the features that are not dead on these rows."""
    return np.flatnonzero(np.ptp(directions.activations, axis=0) > 0)


def some_of(directions: DirectionSet, n: int, *, draw: int, seed: int) -> DirectionSet:
    """`n` live directions of a set, drawn: as many picks as a smaller set has."""
    drawn = generator(seed, 7, draw).permutation(live(directions))[:n]
    name = f"{directions.name}, {len(drawn)} of them"
    return DirectionSet(name, directions.activations[:, np.sort(drawn)])


def random_directions(
    hidden: Tensor, n: int, *, seed: int, both_signs: bool, draw: int = 0
) -> DirectionSet:
    """Directions drawn uniformly from the sphere: n of them, or n and their opposites."""
    read = _centred(hidden) @ _sphere(hidden.shape[1], n, seed, draw)
    values = _both_signs(read) if both_signs else read
    return DirectionSet(f"random {values.shape[1]}", values)


def sparse_random_directions(
    hidden: Tensor, n: int, k: int, *, seed: int, draw: int = 0
) -> DirectionSet:
    """Random directions of which each row keeps its k largest readings, negative ones as 0.

    As sparse as an SAE, with nothing learned: what sparsity alone gives.
    """
    read = np.maximum(_centred(hidden) @ _sphere(hidden.shape[1], n, seed, draw), 0.0)
    bound = np.partition(read, n - k, axis=1)[:, [n - k]]
    return DirectionSet(f"random {n}, {k} active", np.where(read >= bound, read, 0.0))


def whitened_random_directions(hidden: Tensor, n: int, *, seed: int, draw: int = 0) -> DirectionSet:
    """Random directions of hidden states whose principal components all have variance 1.

    Without whitening, a few components of large variance fill every random direction.
    """
    left, _, _ = np.linalg.svd(_centred(hidden), full_matrices=False)
    drawn = generator(seed, 5, draw).standard_normal((left.shape[1], n)).astype(np.float32)
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
    learned_from = _centred(hidden)
    some = generator(seed, 8).permutation(len(learned_from))[:ICA_ROWS]
    ica = FastICA(
        whiten="unit-variance", max_iter=ICA_ITERATIONS, tol=ICA_TOLERANCE, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ica.fit(learned_from[some])
    sources = ica.transform(learned_from)
    return DirectionSet("ICA", _both_signs(sources.astype(np.float32)))


def untrained_features(
    shape: BaseModelShape,
    config: SaeConfig,
    block: int,
    begun: Sequence[Items],
    *,
    seed: int,
    steps: int,
) -> DirectionSet:
    """Features of an SAE trained on an untrained model's hidden states of the same histories.

    Both learning and reading use the random model: what is found is in the data and in the
    architecture, not learned by the base model. The SAE trains for at most `steps` steps: what it
    lacks is not training.
    """
    shorter = config.model_copy(update={"steps": min(config.steps, steps)})
    torch.manual_seed(seed)
    hidden = newest_hidden(Sasrec(shape).eval(), begun, block)
    sae = train_sae(SaeTrainer(shorter, hidden, seed=seed))
    return sae_features("SAE, untrained model", sae, hidden)


def _sphere(d_model: int, n: int, seed: int, draw: int) -> Float32:
    """Unit directions as columns, [d_model, n]."""
    drawn = generator(seed, 5, draw).standard_normal((d_model, n))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=0), dtype=np.float32)


def _centred(hidden: Tensor) -> Float32:
    return np.asarray((hidden - hidden.mean(0)).cpu().numpy(), dtype=np.float32)


def _both_signs(values: Float32) -> Float32:
    return np.concatenate([values, -values], axis=1)
