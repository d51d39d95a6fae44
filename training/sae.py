"""Sparse autoencoders over the hidden state: TopK, BatchTopK, ReLU and JumpReLU.

Source: Gao et al., arXiv 2406.04093 (TopK, auxiliary loss); Bussmann et al., arXiv 2412.06410
(BatchTopK and its inference threshold); Cunningham et al., arXiv 2309.08600 (ReLU); Rajamanoharan
et al., arXiv 2407.14435 (JumpReLU).
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_store.manifest import SaeKind, SaeShape
from training.kept import kth_largest

THRESHOLD_KINDS = (SaeKind.BATCHTOPK, SaeKind.JUMPRELU)
"""Kinds that serve what exceeds a threshold: one for all features, or one for each."""

SMALLEST = torch.finfo(torch.float32).tiny
"""Least activation above 0."""


@dataclass(frozen=True)
class InputScale:
    """The normalisation of hidden states in training: x = (hidden - mean) / scale."""

    mean: Tensor
    """[d_model]."""
    scale: float
    """Root mean square of a centred coordinate."""

    @classmethod
    def of(cls, hidden: Tensor) -> Self:
        """Of hidden states [rows, d_model]."""
        mean = hidden.mean(0)
        return cls(mean, float((hidden - mean).square().mean().sqrt().clamp_min(1e-8)))

    def __call__(self, hidden: Tensor) -> Tensor:
        """Normalised hidden states, [rows, d_model]."""
        return (hidden - self.mean) / self.scale


class Sae(nn.Module):
    """`encode` gives activations >= 0, `decode(a) = a @ W_dec + b_dec` the hidden state."""

    threshold: Tensor
    """[] (BATCHTOPK) or [d_sae] (JUMPRELU, trained as it is served, not as its logarithm)."""

    def __init__(self, shape: SaeShape, d_model: int) -> None:
        super().__init__()
        self.shape = shape
        self.W_dec = nn.Parameter(torch.randn(shape.d_sae, d_model))
        self.unit_decoder()
        self.W_enc = nn.Parameter(self.W_dec.detach().T.clone())
        self.b_enc = nn.Parameter(torch.zeros(shape.d_sae))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        if shape.kind is SaeKind.JUMPRELU:
            self.threshold = nn.Parameter(torch.zeros(shape.d_sae))
        else:
            self.register_buffer("threshold", torch.tensor(shape.threshold or 0.0))

    @property
    def k(self) -> int:
        """Active features per row, or on average."""
        return self.shape.k or self.shape.d_sae

    def pre_activations(self, hidden: Tensor) -> Tensor:
        """Encoder output of any sign, before rectifier and sparsity, [rows, d_sae]."""
        return functional.linear(hidden, self.W_enc.T, self.b_enc)

    def encode(self, hidden: Tensor) -> Tensor:
        """Activations as served, [rows, d_sae]: independent of the other rows."""
        rectified = torch.relu(self.pre_activations(hidden))
        if self.shape.kind in THRESHOLD_KINDS:
            return torch.where(rectified > self.threshold, rectified, 0.0)
        return self._sparse(rectified)

    def kept_in_training(self, projected: Tensor) -> Tensor:
        """Which pre-activations [rows, d_sae] TOPK or BATCHTOPK keeps in training, same shape.

        BatchTopK shares its budget over the batch. Ties at the bound are all kept.
        """
        rows = len(projected) if self.shape.kind is SaeKind.BATCHTOPK else 1
        least = kth_largest(projected.reshape(len(projected) // rows, -1), self.k * rows)
        return projected >= least.clamp_min(SMALLEST)

    def _sparse(self, rectified: Tensor) -> Tensor:
        if self.shape.kind is SaeKind.RELU:
            return rectified
        return top_k_per_row(rectified, self.k)

    def decode(self, activations: Tensor) -> Tensor:
        """Hidden states [rows, d_model] of activations [rows, d_sae]."""
        return activations @ self.W_dec + self.b_dec

    def forward(self, hidden: Tensor) -> Tensor:
        """Reconstruction of hidden states [rows, d_model]."""
        return self.decode(self.encode(hidden))

    @torch.no_grad()
    def unit_decoder(self) -> None:
        """Scales every decoder row to norm 1."""
        self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-8))

    @torch.no_grad()
    def drop_radial_gradient(self) -> None:
        """Removes from the decoder's gradient what would only change the rows' norms."""
        if self.W_dec.grad is not None:
            radial = (self.W_dec.grad * self.W_dec).sum(1, keepdim=True)
            self.W_dec.grad -= radial * self.W_dec

    @torch.no_grad()
    def folded(self, scale: InputScale) -> "Sae":
        """The same autoencoder for hidden states in their own units."""
        shape = self.shape.model_copy(update={"threshold": self._inference_threshold()})
        folded = Sae(shape, self.W_dec.shape[1]).to(self.W_dec.device)
        folded.W_enc.copy_(self.W_enc / scale.scale)
        folded.b_enc.copy_(self.b_enc - (scale.mean / scale.scale) @ self.W_enc)
        folded.W_dec.copy_(self.W_dec * scale.scale)
        folded.b_dec.copy_(self.b_dec * scale.scale + scale.mean)
        folded.threshold.copy_(self.threshold)
        return folded.eval()

    def _inference_threshold(self) -> float | None:
        return float(self.threshold) if self.shape.kind is SaeKind.BATCHTOPK else None


def top_k_per_row(rectified: Tensor, k: int) -> Tensor:
    """`rectified` [rows, d_sae] with all but the k largest of each row set to 0."""
    top = rectified.topk(k, dim=-1, sorted=False)
    return torch.zeros_like(rectified).scatter(-1, top.indices, top.values)


def unexplained_share(hidden: Tensor, reconstruction: Tensor) -> float:
    """FVU: squared error over variance, both summed over rows and coordinates.

    0 is a perfect reconstruction, 1 that by the mean. Not clipped: a bad one exceeds 1.
    """
    error = (hidden - reconstruction).square().sum()
    variance = (hidden - hidden.mean(0)).square().sum()
    return float(error / variance.clamp_min(1e-12))
