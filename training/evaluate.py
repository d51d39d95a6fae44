"""What a base model and its SAE are worth: leave-one-out over the full catalogue."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import Items, generator, left_padded, length_batches
from training.metrics import Ranks, hit_rate, ndcg, popularity_scores, ranks
from training.sae import Sae, unexplained_share
from training.sasrec import Cut, Sasrec
from training.split import LeaveOneOut

EVALUATION_BATCH = 256
SAE_ROWS = 4_096
K = 10

ScoreItems = Callable[[Tensor], Tensor]
"""Item indices [batch, seq] -> scores [batch, n_items + 1]."""


@torch.no_grad()
def slate_ranks(
    score_items: ScoreItems,
    inputs: Sequence[Items],
    targets: npt.NDArray[np.int32],
    *,
    max_seq: int,
    device: torch.device,
) -> Ranks:
    """Rank of each target in its user's slate, [n], from 1; the whole history is left out."""
    found = np.zeros(len(inputs), dtype=np.int64)
    for rows in length_batches(inputs, EVALUATION_BATCH):
        histories = [inputs[row] for row in rows]
        scores = score_items(left_padded(histories, max_seq).to(device)).float().cpu().numpy()
        found[rows] = ranks(scores, targets[rows], histories)
    return found


def reconstructed_scores(model: Sasrec, sae: Sae, block: int) -> ScoreItems:
    """The model's scores with the SAE's reconstruction in place of the hidden state.

    At every position that the model computes at the hook.
    """
    cut = Cut(block)

    def score(items: Tensor) -> Tensor:
        hidden = model.lower(items, cut)
        replaced = sae(hidden.flatten(0, 1)).view_as(hidden)
        return model.scores(model.upper(replaced, items, cut)[:, -1])

    return score


@torch.no_grad()
def hidden_states(
    model: Sasrec, histories: Sequence[Items], block: int, *, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of hidden states [rows, d_model] at the hook, and the item read there [rows].

    One row for each real position of the histories cut into windows of max_seq.
    """
    pieces = _pieces(histories, model.shape.max_seq)
    cut = Cut(block, newest_only=False)
    for rows in length_batches(pieces, EVALUATION_BATCH):
        items = left_padded([pieces[row] for row in rows], model.shape.max_seq).to(device)
        read = items != 0
        yield model.lower(items, cut)[read], items[read]


@torch.no_grad()
def newest_hidden_states(
    model: Sasrec,
    histories: Sequence[Items],
    block: int,
    *,
    at_most: int,
    seed: int,
    device: torch.device,
) -> Tensor:
    """Hidden states [rows, d_model] at the newest position of sampled beginnings of histories.

    What serving reads is always a newest position, and among all positions those are few.
    """
    ends = [(user, end + 1) for user, items in enumerate(histories) for end in range(len(items))]
    drawn = generator(seed, 3).permutation(len(ends))[:at_most]
    begun = [histories[user][:end] for user, end in (ends[place] for place in drawn)]
    found = [torch.zeros(0, model.shape.d_model, device=device)]
    for rows in length_batches(begun, EVALUATION_BATCH):
        items = left_padded([begun[row] for row in rows], model.shape.max_seq).to(device)
        found.append(model.lower(items, Cut(block))[:, -1])
    return torch.cat(found)


def sampled_rows(hidden: Tensor, at_most: int, seed: int) -> Tensor:
    """At most so many rows of `hidden` [rows, d_model], drawn without replacement."""
    drawn = generator(seed, 6).permutation(len(hidden))[:at_most]
    return hidden[torch.from_numpy(np.sort(drawn)).to(hidden.device)]


def _pieces(histories: Sequence[Items], length: int) -> list[Items]:
    """Every history in disjoint pieces of at most `length` items, the newest piece full."""
    return [
        items[max(stop - length, 0) : stop]
        for items in histories
        for stop in range(len(items), 0, -length)
    ]


def base_metrics(model: Sasrec, split: LeaveOneOut, device: torch.device) -> dict[str, float]:
    """NDCG@10 and HR@10 on the test items, of the model and of popularity."""
    found = ranks_on_test(model.slate_scores, model, split, device)
    popular = popularity_ranks(split, model.shape.n_items)
    return {
        "ndcg_at_10": ndcg(found, K),
        "hit_rate_at_10": hit_rate(found, K),
        "popularity_ndcg_at_10": ndcg(popular, K),
        "popularity_hit_rate_at_10": hit_rate(popular, K),
    }


def popularity_ranks(split: LeaveOneOut, n_items: int) -> Ranks:
    """Rank of each test item, [n], by training counts alone."""
    counts = torch.from_numpy(popularity_scores(split.train, n_items))
    return slate_ranks(
        lambda items: counts.expand(len(items), -1),
        split.test_inputs,
        split.test_targets,
        max_seq=1,
        device=torch.device("cpu"),
    )


def ranks_on_validation(
    score_items: ScoreItems, model: Sasrec, split: LeaveOneOut, device: torch.device
) -> Ranks:
    """Rank of each validation item, [n]."""
    return slate_ranks(
        score_items,
        split.validation_inputs,
        split.validation_targets,
        max_seq=model.shape.max_seq,
        device=device,
    )


def ranks_on_test(
    score_items: ScoreItems, model: Sasrec, split: LeaveOneOut, device: torch.device
) -> Ranks:
    """Rank of each test item, [n]."""
    return slate_ranks(
        score_items,
        split.test_inputs,
        split.test_targets,
        max_seq=model.shape.max_seq,
        device=device,
    )


@torch.no_grad()
def sae_metrics(
    model: Sasrec, sae: Sae, block: int, split: LeaveOneOut, device: torch.device
) -> dict[str, float]:
    """NDCG@10 kept by plain reconstruction, and FVU, L0 and dead share on training histories."""
    base = ndcg(ranks_on_test(model.slate_scores, model, split, device), K)
    kept = ndcg(ranks_on_test(reconstructed_scores(model, sae, block), model, split, device), K)
    hidden = torch.cat([h for h, _ in hidden_states(model, split.train, block, device=device)])
    activations = [sae.encode(rows) for rows in torch.split(hidden, SAE_ROWS)]
    fired = torch.stack([(a > 0).sum(0) for a in activations]).sum(0)
    reconstruction = torch.cat([sae.decode(a) for a in activations])
    return {
        "sae_ndcg_at_10": kept,
        "sae_ndcg_kept_share": kept / base if base else 0.0,
        "sae_fvu": unexplained_share(hidden, reconstruction),
        "sae_l0": float(fired.sum()) / len(hidden),
        "sae_dead_share": float((fired == 0).float().mean()),
    }
