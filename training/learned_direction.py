"""A direction that raises an attribute at the least cost in what people really take next.

A re-rank adds the same to every item that carries an attribute. What people take of it is not all
of it alike, and validation items tell: the direction is learned on the users who choose, then
written as a non-negative sum of features. On ml-1m it is level with the re-rank up to
twice the share, and ahead on common genres (docs/study.md; training/LOG.md, 2026-11-24).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor
from torch.nn import functional

from training.study.audience import Audience

SLATE = 20
STEPS = 150
BATCH = 384
LEARNING_RATE = 0.03
TRUSTED_USERS = 4_000
"""Next items weigh as much as the model's own probabilities with this many users, less with
fewer."""
MAX_ITEMS = 1_000
"""Items that are looked at, the most probable, and as many again of the attribute's own."""
SOFTNESS = 0.5
"""Width in scores of the soft edge of a slate."""
METRIC_USERS = 200
"""On whom the metric of directions is taken."""
SHARE_PENALTY = 20.0
"""Of the squared distance from the wanted share."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned from: users, and the items that their slates are likely to hold."""

    people: Audience
    """Who choose, with what they took next; the hook is after the last block or the norm."""
    items: Tensor
    """Item indices [n_items_seen]."""
    carries: Tensor
    """Which of them carry the attribute, float 0 or 1 [n_items_seen]."""
    wanted: Tensor
    """What the scores should look like, as probabilities [n, n_items_seen]."""

    @classmethod
    @torch.no_grad()
    def of(cls, people: Audience, carries: Bools) -> "Lesson":
        """The lesson of an attribute, carried by items [n_items + 1]."""
        plain = torch.softmax(people.scores(), dim=1)
        mean, carried = plain.mean(0), torch.from_numpy(carries).to(plain)
        likely = mean.topk(min(MAX_ITEMS, len(mean) - 1)).indices
        own = (mean * carried).topk(min(MAX_ITEMS, int(carried.sum()))).indices
        items = torch.unique(torch.cat([likely, own]))
        trust = len(plain) / (len(plain) + TRUSTED_USERS)
        targets = torch.from_numpy(people.targets.astype(np.int64)).to(items.device)
        taken = (items == targets[:, None]).to(plain)
        wanted = (1 - trust) * plain[:, items] + trust * taken
        return cls(people, items, carried[items], wanted)

    def scores(self, rows: Tensor, direction: Tensor) -> Tensor:
        """Scores [n_rows, n_items_seen] of some users under a shift [d_model]."""
        model, hidden = self.people.model, self.people.newest[rows] + direction
        final = model.upper(hidden[:, None], self.people.items[rows], self.people.cut)[:, -1]
        scores = final @ model.item_embedding.weight.detach()[self.items].T
        return scores.masked_fill(self.people.read(rows)[:, self.items], -torch.inf)


def can_learn(people: Audience) -> bool:
    """Whether the newest position alone is left to compute above the hook, which makes it cheap."""
    return people.cut.block >= people.model.shape.n_blocks


@torch.enable_grad()
def learned_direction(people: Audience, carries: Bools, *, seed: int = 0) -> Tensor:
    """A shift of the newest hidden state that doubles the attribute's share, or adds .05 [d_model].

    It minimises the cross-entropy of what the users took next, mixed with the model's own
    probabilities, under a soft share of the top 20 that is held at the wanted one by a multiplier.

    Args:
        people: who choose; see `can_learn`.
        carries: [n_items + 1].
        seed: of the batches.
    """
    lesson = Lesson.of(people, carries)
    every = torch.arange(len(people.items), device=lesson.items.device)
    with torch.no_grad():
        before = float(soft_share(lesson.scores(every, torch.zeros(())), lesson.carries))
    goal, unit = max(2 * before, before + 0.05), float(people.newest.std())
    draw = torch.Generator().manual_seed(seed)
    direction = torch.zeros(people.newest.shape[1], device=lesson.items.device, requires_grad=True)
    optimiser = torch.optim.Adam([direction], lr=LEARNING_RATE)
    fading = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, STEPS)
    price = 1.0
    for _ in range(STEPS):
        rows = every[torch.randint(len(every), (BATCH,), generator=draw).to(every.device)]
        scores = lesson.scores(rows, unit * direction)
        share = soft_share(scores, lesson.carries)
        gap = goal - share
        loss = _cross_entropy(scores, lesson.wanted[rows]) + price * gap
        optimiser.zero_grad()
        (loss + SHARE_PENALTY * functional.relu(gap).square()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        fading.step()
        price = max(0.0, price + 0.5 * gap.item())
    return unit * direction.detach()


def soft_share(scores: Tensor, carries: Tensor) -> Tensor:
    """Mean share of an attribute in slates with a soft edge [].

    Args:
        scores: [n, n_items].
        carries: float 0 or 1 [n_items].
    """
    n_shown = min(SLATE + 1, scores.shape[1])
    edge = scores.detach().topk(n_shown, dim=1).values[:, -2:].mean(1, keepdim=True)
    shown = torch.sigmoid((scores - edge) / SOFTNESS)
    return ((shown @ carries) / shown.sum(1)).mean()


def weights_along(direction: Tensor, vectors: Tensor, metric: Tensor, size: int) -> Floats:
    """Non-negative weights [n] of at most `size` vectors whose sum comes closest to a direction.

    One after the other, each time the vector most like what is still missing, all weights fitted
    again: non-negative orthogonal matching pursuit (Bruckstein et al., IEEE TIT 54(11), 2008).

    Args:
        direction: [d_model].
        vectors: [n, d_model], zero for what must not be used.
        metric: [d_model, d_model] root of the quadratic form that says what is close; see
            `score_metric`.
        size: most vectors.
    """
    design = (vectors @ metric).double().cpu().numpy()
    wanted = (direction @ metric).double().cpu().numpy()
    lengths = np.maximum(np.linalg.norm(design, axis=1), 1e-12)
    weights, members = np.zeros(len(design)), np.zeros(0, dtype=np.int64)
    for _ in range(size):
        missing = wanted - weights @ design
        best = int(np.argmax(design @ missing / lengths))
        if best in members or design[best] @ missing <= 1e-9 * (wanted @ wanted):
            break
        members = np.append(members[weights[members] > 0], best)
        weights = np.zeros(len(design))
        weights[members], _ = nnls(design[members].T, wanted)
    return weights


@torch.no_grad()
def score_metric(people: Audience) -> Tensor:
    """Root of the mean squared change of scores by a small shift, items weighted by probability.

    [d_model, d_model]; constants over all items are left out, since they change no slate.
    """
    some = people.part(torch.arange(min(METRIC_USERS, len(people.items))))
    weights = torch.softmax(some.scores(), dim=1).mean(0)[:, None]
    embedding = people.model.item_embedding.weight.detach()
    centred = embedding - (weights * embedding).sum(0)
    values, vectors = torch.linalg.eigh((weights * centred).T @ centred)
    root: Tensor = vectors * values.clamp_min(0).sqrt()
    return _mean_change(some) @ root


def _mean_change(people: Audience) -> Tensor:
    """Mean change of the final state by each coordinate of the hidden one [d_model, d_model]."""
    plain, step = people.final(), 0.01 * people.newest.std()
    units = torch.eye(people.newest.shape[1], device=plain.device)
    moved = [(people.final(step * unit) - plain).mean(0) / step for unit in units]
    return torch.stack(moved)


def _cross_entropy(scores: Tensor, wanted: Tensor) -> Tensor:
    """Mean of -sum(wanted x log probability) []; items that cannot be shown count nothing."""
    logs = torch.log_softmax(scores, dim=1)
    return -(wanted * torch.where(torch.isfinite(logs), logs, 0.0)).sum(1).mean()
