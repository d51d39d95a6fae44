"""What a base model and its SAE are worth: leave-one-out over the full catalogue."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import Items, generator, left_padded, length_batches
from training.memory import rows_of_hidden, rows_of_scores
from training.metrics import Ranks, hit_rate, ndcg, popularity_scores, ranks
from training.progress import Report, part_of, silent
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
    at_once: int = EVALUATION_BATCH,
    report: Report = silent,
) -> Ranks:
    """Rank of each target in its user's slate, [n], from 1; the whole history is left out.

    Args:
        score_items: the model.
        inputs: histories, n of them.
        targets: item index that came next [n].
        max_seq: newest items of a history that are given to the model.
        device: where it computes.
        at_once: most histories scored at a time; see `evaluated_at_once`.
        report: told the number of histories after each batch.
    """
    found = np.zeros(len(inputs), dtype=np.int64)
    n_done = 0
    report("evaluation", 0, len(inputs))
    for rows in length_batches(inputs, at_once):
        histories = [inputs[row] for row in rows]
        scores = score_items(left_padded(histories, max_seq).to(device)).float().cpu().numpy()
        found[rows] = ranks(scores, targets[rows], histories)
        n_done += len(rows)
        report("evaluation", n_done, len(inputs))
    return found


def evaluated_at_once(n_items: int) -> int:
    """Histories scored at a time: EVALUATION_BATCH, or as many as `memory.SCORES_BYTES` holds."""
    return min(EVALUATION_BATCH, rows_of_scores(n_items))


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
    model: Sasrec,
    histories: Sequence[Items],
    block: int,
    *,
    device: torch.device,
    report: Report = silent,
) -> tuple[Tensor, Tensor]:
    """Hidden states [rows, d_model] at the hook, and the item read there [rows].

    One row for each real position of the histories cut into windows of max_seq; of more positions
    than `memory.HIDDEN_BYTES` holds, those of windows drawn at random.
    """
    shape = model.shape
    pieces = drawn_pieces(_pieces(histories, shape.max_seq), rows_of_hidden(shape.d_model))
    n_rows, filled = sum(map(len, pieces)), 0
    hidden = torch.empty(n_rows, shape.d_model, device=device)
    read = torch.empty(n_rows, dtype=torch.int64, device=device)
    cut = Cut(block, newest_only=False)
    report("hidden states", 0, n_rows)
    for rows in length_batches(pieces, EVALUATION_BATCH):
        items = left_padded([pieces[row] for row in rows], shape.max_seq).to(device)
        real = items != 0
        part = slice(filled, filled := filled + int(real.sum()))
        hidden[part], read[part] = model.lower(items, cut)[real], items[real]
        report("hidden states", filled, n_rows)
    return hidden, read


def drawn_pieces(pieces: Sequence[Items], most: int) -> list[Items]:
    """All pieces, or some drawn at random that together have at most so many items."""
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    if lengths.sum() <= most:
        return list(pieces)
    order = generator(most, 7).permutation(len(pieces))
    n = int(np.searchsorted(np.cumsum(lengths[order]), most, side="right"))
    return [pieces[row] for row in np.sort(order[:n])]


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
    starts = np.cumsum([0, *map(len, histories)])
    drawn = generator(seed, 3).permutation(starts[-1])[:at_most]
    users = np.searchsorted(starts, drawn, side="right") - 1
    ends = drawn - starts[users] + 1
    begun = [histories[user][:end] for user, end in zip(users, ends, strict=True)]
    found = [torch.zeros(0, model.shape.d_model, device=device)]
    for rows in length_batches(begun, EVALUATION_BATCH):
        items = left_padded([begun[row] for row in rows], model.shape.max_seq).to(device)
        found.append(model.lower(items, Cut(block))[:, -1])
    return torch.cat(found)


def sampled_rows(hidden: Tensor, at_most: int, seed: int) -> Tensor:
    """At most so many rows of `hidden` [rows, d_model], drawn without replacement; it, if no more.

    They keep their order.
    """
    if len(hidden) <= at_most:
        return hidden
    drawn = generator(seed, 6).permutation(len(hidden))[:at_most]
    return hidden[torch.from_numpy(np.sort(drawn)).to(hidden.device)]


def _pieces(histories: Sequence[Items], length: int) -> list[Items]:
    """Every history in disjoint pieces of at most `length` items, the newest piece full."""
    return [
        items[max(stop - length, 0) : stop]
        for items in histories
        for stop in range(len(items), 0, -length)
    ]


def base_metrics(
    model: Sasrec, split: LeaveOneOut, device: torch.device, report: Report = silent
) -> dict[str, float]:
    """NDCG@10 and HR@10 on the test items, of the model and of popularity."""
    found = ranks_on_test(model.slate_scores, model, split, device, part_of(report, 0, 2))
    popular = popularity_ranks(split, model.shape.n_items, part_of(report, 1, 2))
    return {
        "ndcg_at_10": ndcg(found, K),
        "hit_rate_at_10": hit_rate(found, K),
        "popularity_ndcg_at_10": ndcg(popular, K),
        "popularity_hit_rate_at_10": hit_rate(popular, K),
    }


def popularity_ranks(split: LeaveOneOut, n_items: int, report: Report = silent) -> Ranks:
    """Rank of each test item, [n], by training counts alone."""
    counts = torch.from_numpy(popularity_scores(split.train, n_items))
    return slate_ranks(
        lambda items: counts.expand(len(items), -1),
        split.test_inputs,
        split.test_targets,
        max_seq=1,
        device=torch.device("cpu"),
        at_once=evaluated_at_once(n_items),
        report=report,
    )


def ranks_on_validation(
    score_items: ScoreItems,
    model: Sasrec,
    split: LeaveOneOut,
    device: torch.device,
    report: Report = silent,
) -> Ranks:
    """Rank of each validation item, [n]."""
    inputs, targets = split.validation_inputs, split.validation_targets
    return _ranks(score_items, model, inputs, targets, device, report)


def ranks_on_test(
    score_items: ScoreItems,
    model: Sasrec,
    split: LeaveOneOut,
    device: torch.device,
    report: Report = silent,
) -> Ranks:
    """Rank of each test item, [n]."""
    inputs, targets = split.test_inputs, split.test_targets
    return _ranks(score_items, model, inputs, targets, device, report)


def _ranks(
    score_items: ScoreItems,
    model: Sasrec,
    inputs: Sequence[Items],
    targets: npt.NDArray[np.int32],
    device: torch.device,
    report: Report,
) -> Ranks:
    return slate_ranks(
        score_items,
        inputs,
        targets,
        max_seq=model.shape.max_seq,
        device=device,
        at_once=evaluated_at_once(model.shape.n_items),
        report=report,
    )


@torch.no_grad()
def sae_metrics(
    model: Sasrec,
    sae: Sae,
    block: int,
    split: LeaveOneOut,
    device: torch.device,
    report: Report = silent,
) -> dict[str, float]:
    """NDCG@10 kept by plain reconstruction, and FVU, L0 and dead share on training histories."""
    reconstructed = reconstructed_scores(model, sae, block)
    base_told, kept_told = part_of(report, 0, 2), part_of(report, 1, 2)
    base = ndcg(ranks_on_test(model.slate_scores, model, split, device, base_told), K)
    kept = ndcg(ranks_on_test(reconstructed, model, split, device, kept_told), K)
    hidden, _ = hidden_states(model, split.train, block, device=device)
    fired = torch.zeros(sae.shape.d_sae, dtype=torch.int64, device=device)
    reconstruction = torch.empty_like(hidden)
    for start in range(0, len(hidden), SAE_ROWS):
        rows = slice(start, start + SAE_ROWS)
        activations = sae.encode(hidden[rows])
        fired += (activations > 0).sum(0)
        reconstruction[rows] = sae.decode(activations)
    return {
        "sae_ndcg_at_10": kept,
        "sae_ndcg_kept_share": kept / base if base else 0.0,
        "sae_fvu": unexplained_share(hidden, reconstruction),
        "sae_l0": float(fired.sum()) / len(hidden),
        "sae_dead_share": float((fired == 0).float().mean()),
    }
