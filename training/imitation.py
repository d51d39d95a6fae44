"""What vectors added to the hidden state do to scores, and sums of them that imitate a re-rank.

A re-rank adds a constant to the score of whatever carries an attribute, and nothing else. A group
of features whose joint effect is most like that moves the attribute and disturbs the rest least
(training/LOG.md, 2026-11-23).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor

from training.progress import Report, part_of, silent
from training.study.audience import Audience

LEAST = 1e-6
"""Cosine with what is left, below which a vector adds nothing."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Effects:
    """What each of some vectors does when it is added at the newest position."""

    vectors: Tensor
    """[n, d_model], at the dose at which they were measured."""
    mass: Floats
    """Change of an attribute's mean probability among unread items [n, n_values]."""
    scores: Floats
    """Mean change of each item's score [n, n_items + 1]; padding has 0."""
    popularity: Floats
    """Mean probability of each item when nothing is added [n_items + 1]."""

    def strongest(self, value: int, size: int) -> "Effects":
        """Of the vectors with the largest positive effect on a value alone, at most `size`."""
        return self.of(strongest(self.mass[:, value], size))

    def of(self, members: npt.NDArray[np.int64]) -> "Effects":
        """Of some vectors, by index."""
        rows = torch.from_numpy(members).to(self.vectors.device)
        return Effects(
            self.vectors[rows], self.mass[members], self.scores[members], self.popularity
        )


def strongest(effect: Floats, size: int) -> npt.NDArray[np.int64]:
    """Indices of the largest positive effects [n], largest first, at most `size`."""
    members = np.argsort(-effect, kind="stable")[:size]
    return members[effect[members] > 0]


@torch.no_grad()
def effects(people: Audience, vectors: Tensor, carries: Bools, report: Report = silent) -> Effects:
    """The effects of vectors [n, d_model] on the scores of some users; a zero vector has none.

    Args:
        people: on whom it is measured; so many at a time as `memory.SCORES_BYTES` holds scores of.
        vectors: [n, d_model].
        carries: [n_items + 1, n_values].
        report: told after each vector of each part of the people.
    """
    values = torch.from_numpy(carries).to(vectors.device, vectors.dtype)
    parts = list(people.parts())
    report("effects", 0, len(parts) * len(vectors))
    found, seen_by = _effects_on(parts[0], vectors, values, part_of(report, 0, len(parts)))
    n_users = len(parts[0].items)
    for number, part in enumerate(parts[1:], start=1):
        told = part_of(report, number, len(parts))
        more, more_seen_by = _effects_on(part, vectors, values, told)
        n_users, seen_by = n_users + len(part.items), seen_by + more_seen_by
        item_share = more_seen_by / np.maximum(seen_by, 1)
        found = _joined(found, more, len(part.items) / n_users, item_share)
    return found


def _effects_on(
    people: Audience, vectors: Tensor, values: Tensor, report: Report
) -> tuple[Effects, npt.NDArray[np.int64]]:
    """The effects, and how many of the users have not read each item [n_items + 1]."""
    base = people.scores()
    plain = torch.softmax(base, dim=1)
    shown = torch.isfinite(base)
    seen_by = shown.sum(0)
    mass = torch.zeros(len(vectors), values.shape[1], dtype=torch.float64)
    moved = torch.zeros(len(vectors), values.shape[0], dtype=torch.float64)
    for row, vector in enumerate(vectors):
        if vector.any():
            scores = people.scores(vector)
            mass[row] = ((torch.softmax(scores, dim=1) - plain) @ values).mean(0)
            change = torch.where(shown, scores - base, 0.0)
            moved[row] = change.sum(0) / seen_by.clamp_min(1)
        report("effects", row + 1, len(vectors))
    popularity = plain.mean(0).double().cpu().numpy()
    return Effects(vectors, mass.numpy(), moved.numpy(), popularity), seen_by.cpu().numpy()


def _joined(one: Effects, other: Effects, share: float, item_share: Floats) -> Effects:
    """The effects on two parts of the users together.

    Args:
        one: on some.
        other: on others, by the same vectors.
        share: of the others among both.
        item_share: the same among those who have not read each item [n_items + 1].
    """
    return Effects(
        one.vectors,
        one.mass + share * (other.mass - one.mass),
        one.scores + item_share * (other.scores - one.scores),
        one.popularity + share * (other.popularity - one.popularity),
    )


def imitating_weights(measured: Effects, carries: Bools) -> Floats:
    """Non-negative weights [n] with which the sum of vectors is most like the attribute itself.

    By least squares on the change of scores, items weighted by their probability, constants over
    all items left out since they change no slate. All 0 where no vector points that way.

    Args:
        measured: of the candidates.
        carries: [n_items + 1].
    """
    if not len(measured.vectors):
        return np.zeros(0)
    weights, _ = nnls(*least_squares(measured, carries))
    return np.asarray(weights)


def imitating_group(
    measured: Effects, carries: Bools, size: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """At most `size` vectors, by index, and the weights with which they imitate best together.

    One after the other, each time the vector that points most at what the others leave over, all
    weights fitted anew: among all vectors at once it finds better small groups than weights fitted
    first and cut off then (training/LOG.md). Empty where no vector points that way.

    Source: non-negative orthogonal matching pursuit (Bruckstein, Elad and Zibulevsky, 2008).

    Args:
        measured: of the candidates.
        carries: [n_items + 1].
        size: most members.
    """
    design, wanted = least_squares(measured, carries)
    lengths = np.linalg.norm(design, axis=0).clip(min=1e-12)
    chosen: list[int] = []
    weights, left = np.zeros(0), wanted
    for _ in range(min(size, design.shape[1])):
        towards = design.T @ left / lengths
        towards[chosen] = -np.inf
        best = int(np.argmax(towards))
        if towards[best] <= LEAST * np.linalg.norm(wanted):
            break
        chosen.append(best)
        weights, _ = nnls(design[:, chosen], wanted)
        left = wanted - design[:, chosen] @ weights
    members = np.array(chosen, dtype=np.int64)[weights > 0]
    return members, weights[weights > 0]


def least_squares(measured: Effects, carries: Bools) -> tuple[Floats, Floats]:
    """Design [n_items, n] and wanted change [n_items], weighted, weighted means removed."""
    weights = measured.popularity[1:] / measured.popularity[1:].sum()
    design, wanted = measured.scores[:, 1:].T, carries[1:].astype(np.float64)
    root = np.sqrt(weights)
    return (
        root[:, None] * (design - weights @ design),
        root * (wanted - weights @ wanted),
    )
