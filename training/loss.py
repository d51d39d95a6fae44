"""Next-item cross-entropy whose logits never leave the cache.

A batch of n positions over a catalogue of V items has n x V logits: written, read and
differentiated as a whole they cost more than the matrix products that make them. Here loss and
gradients are computed together, some hundred rows at a time, in one pass forwards.

Source of the idea: Hsu et al., Liger Kernel, arXiv 2410.10989 (fused linear cross-entropy).
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor

BEYOND: Final = 1e6
"""Weights of this size come of steps that overshoot, before they become infinite or NaN."""
CHUNK_ROWS: Final = {"cpu": 256, "cuda": 16_384}
"""Rows whose logits are held at once: on a CPU what fits the second-level cache."""


def next_item_loss(
    final: Tensor, targets: Tensor, embedding: Tensor, *, negatives: int | None
) -> Tensor:
    """Mean cross-entropy, nats, over the catalogue or over sampled negatives.

    Under autocast the matrix products are narrow, softmax and sums are float32.

    Args:
        final: Final hidden states [rows, d_model].
        targets: Item indices 1..n_items [rows].
        embedding: Item embeddings [n_items + 1, d_model]; row 0 is padding, never a candidate.
        negatives: Items drawn uniformly, shared by all rows; None: the whole catalogue.
    """
    drawn = None
    if negatives is not None:
        drawn = torch.randint(1, len(embedding), (negatives,), device=final.device)
    total: Tensor = _SummedCrossEntropy.apply(final, targets, embedding, drawn)  # type: ignore[no-untyped-call]
    return total / len(final)


def has_diverged(loss: float, weights: Iterable[Tensor]) -> bool:
    """Whether a loss is no finite number, or a weight none or beyond what any training gives."""
    return not math.isfinite(loss) or any(not bool((w.abs() < BEYOND).all()) for w in weights)


class _SummedCrossEntropy(torch.autograd.Function):
    """Sum over rows; the gradients are made on the way forwards."""

    @staticmethod
    def forward(
        ctx: Any, final: Tensor, targets: Tensor, embedding: Tensor, drawn: Tensor | None
    ) -> Tensor:
        kind = final.device.type
        narrow = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        with torch.autocast(kind, enabled=False):
            rows, weights = (x.to(narrow or x.dtype) for x in (final, embedding))
            total, d_final, d_embedding = _loss_and_gradients(rows, targets, weights, drawn)
        ctx.save_for_backward(d_final.to(final.dtype), d_embedding.to(embedding.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, d_total: Tensor) -> tuple[Tensor, None, Tensor, None]:
        d_final, d_embedding = ctx.saved_tensors
        return d_final * d_total, None, d_embedding * d_total, None


def _loss_and_gradients(
    final: Tensor, targets: Tensor, embedding: Tensor, drawn: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The summed loss, and its gradients by `final` and by `embedding`, float32 but the first."""
    total = final.new_zeros((), dtype=torch.float32)
    d_final = torch.empty_like(final)
    d_embedding = torch.zeros_like(embedding, dtype=torch.float32)
    for start in range(0, len(final), CHUNK_ROWS[final.device.type]):
        rows = slice(start, start + CHUNK_ROWS[final.device.type])
        if drawn is None:
            chunk = _full_chunk(final[rows], targets[rows], embedding, d_embedding)
        else:
            chunk = _sampled_chunk(final[rows], targets[rows], embedding, drawn, d_embedding)
        total += chunk[0]
        d_final[rows] = chunk[1]
    return total, d_final, d_embedding


def _full_chunk(
    final: Tensor, targets: Tensor, embedding: Tensor, d_embedding: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss and gradient by `final` of some rows; the other gradient is added to `d_embedding`."""
    logits = final @ embedding[1:].T
    loss, d_logits = _softmax_loss(logits, targets - 1)
    _add_product(d_embedding[1:], d_logits.T, final)
    return loss, d_logits @ embedding[1:]


def _add_product(total: Tensor, one: Tensor, other: Tensor) -> None:
    """Adds `one @ other` to float32 `total`, without another array where none is narrower."""
    if one.dtype == total.dtype:
        total.addmm_(one, other)
    else:
        total += one @ other


def _sampled_chunk(
    final: Tensor, targets: Tensor, embedding: Tensor, drawn: Tensor, d_embedding: Tensor
) -> tuple[Tensor, Tensor]:
    """The same against `drawn`; an item drawn for a row whose target it is does not count."""
    against = (final @ embedding[drawn].T).masked_fill_(drawn == targets[:, None], -torch.inf)
    target = (final * embedding[targets]).sum(-1, keepdim=True)
    first = torch.zeros_like(targets)
    loss, d_logits = _softmax_loss(torch.cat([target, against], dim=1), first)
    d_target, d_against = d_logits[:, :1], d_logits[:, 1:]
    d_embedding.index_add_(0, drawn, (d_against.T @ final).float())
    d_embedding.index_add_(0, targets, (d_target * final).float())
    return loss, d_against @ embedding[drawn] + d_target * embedding[targets]


def _softmax_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy of [rows, candidates], and its gradient in the logits' own type."""
    shares = torch.softmax(logits, dim=-1, dtype=torch.float32)
    places = targets[:, None]
    carried = shares.gather(1, places)
    smallest = torch.finfo(torch.float32).tiny
    loss = -carried.clamp_min(smallest).log().sum()
    shares.scatter_(1, places, carried - 1)
    return loss, shares.to(logits.dtype)
