"""The base model: SASRec as a pre-norm transformer, cut after any block or after the final norm.

Source: Kang and McAuley, arXiv 1808.09781; pre-norm blocks and full-catalogue scores as in
Klenitskiy and Vasilev, arXiv 2309.07602.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_store.manifest import BaseModelShape
from training.dropout import Dropout

FEED_FORWARD_FACTOR = 4
EMBEDDING_STD = 0.02


class Attention(nn.Module):
    """Multi-head self-attention whose queries may be the newest position only."""

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, d_model)

    def forward(self, queries: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """Attended context of each query, [batch, n_queries, d_model].

        Args:
            queries: [batch, n_queries, d_model].
            context: [batch, seq, d_model].
            visible: Boolean [batch, 1, n_queries, seq], True where a query may look; None: each
                looks at itself and what stands before it, for which there is a faster kernel.
        """
        attended = functional.scaled_dot_product_attention(
            self._heads(self.query(queries)),
            self._heads(self.key(context)),
            self._heads(self.value(context)),
            attn_mask=visible,
            is_causal=visible is None,
        )
        return cast("Tensor", self.output(attended.transpose(1, 2).flatten(2)))

    def _heads(self, x: Tensor) -> Tensor:
        batch, rows, _ = x.shape
        return x.reshape(batch, rows, self.n_heads, -1).transpose(1, 2)


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, d_model: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d_model)
        self.attention = Attention(d_model, n_heads)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.widen = nn.Linear(d_model, FEED_FORWARD_FACTOR * d_model)
        self.narrow = nn.Linear(FEED_FORWARD_FACTOR * d_model, d_model)
        self.dropout = Dropout(dropout)

    def forward(
        self, hidden: Tensor, visible: Tensor | None, *, newest_only: bool = False
    ) -> Tensor:
        """Hidden state after this block, [batch, seq, d_model], or [batch, 1, d_model].

        Args:
            hidden: [batch, seq, d_model].
            visible: Boolean [batch, 1, seq, seq]; None as in `Attention`, with every position.
            newest_only: Compute the newest position alone.
        """
        first = hidden.shape[1] - 1 if newest_only else 0
        context = self.attention_norm(hidden)
        seen = None if visible is None else visible[:, :, first:]
        attended = self.attention(context[:, first:], context, seen)
        hidden = hidden[:, first:] + self.dropout(attended)
        widened = functional.gelu(self.widen(self.feed_forward_norm(hidden)))
        return cast("Tensor", hidden + self.dropout(self.narrow(self.dropout(widened))))


class Cut(NamedTuple):
    """Where the model is cut in two, and how much of it is computed."""

    block: int
    """`lower` ends after this block, from 1 to n_blocks, or, as n_blocks + 1, the final norm."""
    newest_only: bool = True
    """The last block, and so the final norm, computes the newest position alone: all that a slate
    needs."""


class Sasrec(nn.Module):
    """Scores every item of the catalogue after each position of a history.

    Histories are right-aligned, index 0 is padding, and positions count from the newest item.
    """

    def __init__(self, shape: BaseModelShape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.item_embedding = nn.Embedding(shape.n_items + 1, shape.d_model, padding_idx=0)
        self.position_embedding = nn.Embedding(shape.max_seq, shape.d_model)
        self.embedding_dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(shape.d_model, shape.n_heads, dropout) for _ in range(shape.n_blocks)
        )
        self.final_norm = nn.LayerNorm(shape.d_model)
        self._initialise()

    def _initialise(self) -> None:
        for embedding in (self.item_embedding, self.position_embedding):
            nn.init.normal_(embedding.weight, std=EMBEDDING_STD)
        with torch.no_grad():
            self.item_embedding.weight[0].zero_()

    def embed(self, items: Tensor, age: Tensor | None = None) -> Tensor:
        """Item plus position embeddings, [batch, seq, d_model], of item indices [batch, seq].

        Args:
            items: Item indices int64 [batch, seq].
            age: Items after each position, int64 [batch, seq]; None: rows are right-aligned.
        """
        if age is None:
            age = torch.arange(items.shape[1] - 1, -1, -1, device=items.device)
        scale = float(self.shape.d_model) ** 0.5
        embedded = self.item_embedding(items) * scale + self.position_embedding(age)
        return cast("Tensor", self.embedding_dropout(embedded))

    def lower(self, items: Tensor, cut: Cut) -> Tensor:
        """Hidden state at the cut, [batch, positions, d_model].

        Args:
            items: Item indices int64 [batch, seq], seq at most max_seq.
            cut: `positions` is 1 where no block remains above and the cut asks for the newest.
        """
        blocks = range(min(cut.block, self.shape.n_blocks))
        hidden = self._run(self.embed(items), items, blocks, cut)
        return cast("Tensor", self.final_norm(hidden)) if self._is_above_norm(cut) else hidden

    def upper(self, hidden: Tensor, items: Tensor, cut: Cut) -> Tensor:
        """Final hidden state, normalised, [batch, positions, d_model], from `lower`'s output."""
        if self._is_above_norm(cut):
            return hidden
        blocks = range(cut.block, self.shape.n_blocks)
        return cast("Tensor", self.final_norm(self._run(hidden, items, blocks, cut)))

    def _is_above_norm(self, cut: Cut) -> bool:
        return cut.block > self.shape.n_blocks

    def _run(self, hidden: Tensor, items: Tensor, blocks: range, cut: Cut) -> Tensor:
        visible = visible_positions(items)
        for index in blocks:
            newest_only = cut.newest_only and index == self.shape.n_blocks - 1
            hidden = self.blocks[index](hidden, visible, newest_only=newest_only)
        return hidden

    def forward(self, items: Tensor) -> Tensor:
        """Final hidden state of every position, normalised, [batch, seq, d_model]."""
        cut = Cut(self.shape.n_blocks, newest_only=False)
        return self.upper(self.lower(items, cut), items, cut)

    def left_aligned(self, items: Tensor) -> Tensor:
        """What `forward` gives, of rows whose padding stands behind: what training reads.

        Nothing behind a position is visible to it, so padding needs no mask.
        """
        age = (items != 0).sum(1, keepdim=True) - 1 - torch.arange(items.shape[1]).to(items)
        hidden = self.embed(items, age.clamp_min(0))
        for block in self.blocks:
            hidden = block(hidden, None)
        return cast("Tensor", self.final_norm(hidden))

    def scores(self, final: Tensor) -> Tensor:
        """Score of each item index, [..., n_items + 1], of final hidden states [..., d_model].

        Index 0, the padding, scores -inf.
        """
        scores = final @ self.item_embedding.weight.T
        scores[..., 0] = -torch.inf
        return scores

    def slate_scores(self, items: Tensor) -> Tensor:
        """Score of each item index after the newest item, [batch, n_items + 1]."""
        cut = Cut(self.shape.n_blocks)
        return self.scores(self.upper(self.lower(items, cut), items, cut)[:, -1])


def visible_positions(items: Tensor) -> Tensor:
    """Boolean [batch, 1, seq, seq]: query position sees key position.

    A position sees itself and what is older, never padding. Padding sees itself too, so that no
    row of the softmax is empty.
    """
    seq = items.shape[1]
    causal = torch.ones(seq, seq, dtype=torch.bool, device=items.device).tril()
    itself = torch.eye(seq, dtype=torch.bool, device=items.device)
    return (causal & (items != 0)[:, None, None, :]) | itself
