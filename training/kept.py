"""Kept activations: sums over the few features that a batch keeps, forward and backward.

A dense product reads d_sae features of each row where a few dozen are kept; in training, the
encoder's own is the only one left.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Kept:
    """Which features of which rows are kept."""

    places: Tensor
    """row * d_sae + feature, ascending, int64 [n]."""
    n_rows: int
    """Of the batch."""
    d_sae: int
    """Features."""

    @classmethod
    def of(cls, mask: Tensor) -> "Kept":
        """Where `mask` [rows, d_sae] is true."""
        flat = mask.flatten()
        # NumPy finds them three times as fast on the CPU.
        on_cpu = flat.device.type == "cpu"
        places = torch.from_numpy(np.flatnonzero(flat.numpy())) if on_cpu else flat.nonzero()[:, 0]
        return cls(places, *mask.shape)

    @cached_property
    def rows(self) -> Tensor:
        """[n]."""
        return self.places // self.d_sae

    @cached_property
    def features(self) -> Tensor:
        """[n]."""
        return self.places % self.d_sae

    @cached_property
    def counts(self) -> Tensor:
        """Rows that keep each feature, [d_sae]."""
        return torch.bincount(self.features, minlength=self.d_sae)

    @cached_property
    def _by_feature(self) -> tuple[Tensor, Tensor]:
        """Order of the places by feature [n], and where each feature begins in it [d_sae]."""
        return torch.argsort(self.features, stable=True), self.counts.cumsum(0) - self.counts

    def row_sums(self, values: Tensor, table: Tensor) -> Tensor:
        """For each row, the sum of value x its feature's row of `table`, [rows, columns].

        Args:
            values: [n].
            table: [d_sae, columns].
        """
        starts = torch.arange(self.n_rows, device=self.places.device) * self.d_sae
        offsets = torch.searchsorted(self.places, starts)
        return _sums(self.features, offsets, values, table)

    def feature_sums(self, values: Tensor, table: Tensor) -> Tensor:
        """For each feature, the sum of value x its row's row of `table`, [d_sae, columns].

        Args:
            values: [n].
            table: [rows, columns].
        """
        order, offsets = self._by_feature
        return _sums(self.rows[order], offsets, values[order], table)


def _sums(indices: Tensor, offsets: Tensor, values: Tensor, table: Tensor) -> Tensor:
    return functional.embedding_bag(
        indices, table, offsets, mode="sum", per_sample_weights=values.to(table.dtype)
    )


def kth_largest(values: Tensor, k: int) -> Tensor:
    """The k-th largest of each row of `values` [rows, n], as [rows, 1]."""
    if values.device.type != "cpu":
        return values.topk(k, sorted=False).values.amin(1, keepdim=True)
    # A partition takes a sixth of the time of torch's topk on the CPU.
    at = values.shape[1] - k
    return torch.from_numpy(np.partition(values.numpy(), at, axis=1)[:, at : at + 1])


def encode_kept(x: Tensor, W_enc: Tensor, b_enc: Tensor, projected: Tensor, kept: Kept) -> Tensor:
    """`projected` at the kept places [n]; its gradient reaches encoder weights only by these.

    Args:
        x: [rows, d_model], no gradient.
        W_enc: [d_model, d_sae].
        b_enc: [d_sae].
        projected: x @ W_enc + b_enc, [rows, d_sae].
        kept: the places.
    """
    return cast("Tensor", _Encode.apply(x, W_enc, b_enc, projected, kept))  # type: ignore[no-untyped-call]


def decode_kept(values: Tensor, W_dec: Tensor, kept: Kept) -> Tensor:
    """Activations @ W_dec [rows, d_model], of the kept values [n] and zeros elsewhere."""
    return cast("Tensor", _Decode.apply(values, W_dec, kept))  # type: ignore[no-untyped-call]


class _Encode(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, _W_enc: Tensor, _b_enc: Tensor, projected: Tensor, kept: Kept
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.kept = kept
        return projected.flatten()[kept.places]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,), kept, grad = ctx.saved_tensors, ctx.kept, grads[0]
        bias = torch.zeros(kept.d_sae, dtype=grad.dtype, device=grad.device)
        bias.index_add_(0, kept.features, grad)
        return None, kept.feature_sums(grad, x).T, bias, None, None


class _Decode(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, W_dec: Tensor, kept: Kept) -> Tensor:
        ctx.save_for_backward(values, W_dec)
        ctx.kept = kept
        return kept.row_sums(values, W_dec)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (values, W_dec), kept, grad = ctx.saved_tensors, ctx.kept, grads[0]
        # One dense product and a look-up beat a gathered one: the kept rows are read once each.
        of_values = (grad @ W_dec.T).flatten()[kept.places]
        return of_values, kept.feature_sums(values, grad), None
