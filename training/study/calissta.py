"""Calibration to a target mix after CALISSTA, with our model and SAE in its places.

Each user's activations are steered towards every concept, each steered state gives one list, and
D'Hondt interleaves the lists in proportion to a target mix: the user's own mix of concepts, moved
towards one of them. The dial is how far. Steering vectors, strengths and interleaving are the
package's own.

Two choices favour it over its own quick start: what the SAE leaves unexplained is kept as the
context of decoding, and an item's embedding is the SAE's reading of a history of that item alone.

Source: Dokoupil, Boratto and Peska, UMAP 2026, doi 10.1145/3774935.3806154; PyPI `calissta`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from calissta.aggregation import dhondt
from calissta.steering import alpha_per_concept, fit_steering_vectors, history_proportions, steer
from torch import Tensor

from model_store.cards import AttributeValue
from training.attributes import attribute_table
from training.pipeline import Run
from training.sae import Sae
from training.study.audience import BATCH, Audience
from training.study.outcomes import SLATE
from training.study.reranks import Rival

ALPHAS = (0.1, 0.25, 0.5)
"""Strengths of the steering, a rival for each; the package's own default is the last."""
MAX_CONCEPTS = 20
"""The values of an attribute name with the most items, and the one that is wanted."""
N_CANDIDATES = 60
"""Items of each concept's list: no slate takes more than 20, and lists overlap."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """The lists of every user, which no target mix changes."""

    candidates: npt.NDArray[np.int64]
    """Best items of each concept's list [n, n_concepts, N_CANDIDATES]."""
    proportions: Floats
    """Each concept's part of the history [n, n_concepts]."""

    def slates(self, concept: int, part: float) -> Tensor:
        """Slates [n, 20] for the user's own mix moved towards a concept.

        Args:
            concept: column of the concept.
            part: 0 leaves the mix as it is, 1 wants nothing but the concept.
        """
        mixes = (1 - part) * self.proportions
        mixes[:, concept] += part
        found = np.zeros((len(mixes), SLATE), dtype=np.int64)
        for row, (lists, mix) in enumerate(zip(self.candidates, mixes, strict=True)):
            chosen = dhondt(lists, mix, SLATE)
            found[row, : len(chosen)] = chosen
        return torch.from_numpy(found)


class Calibrations:
    """Rivals for the values of any attribute name; lists are made once for each name."""

    def __init__(self, run: Run, people: Audience, alpha: float) -> None:
        self._run, self._people, self._alpha = run, people, alpha
        self._table = attribute_table(run.dataset, 1)
        self._made: dict[str, tuple[list[AttributeValue], Calibration]] = {}

    def rival(self, value: AttributeValue, *, n_strengths: int) -> Rival:
        """The calibration towards a value.

        Its dial: 0 is the model's own slates, 1 the user's own mix, 2 nothing but the value.
        """
        concepts, made = self._made.get(value.name, ([], None))
        if made is None or value not in concepts:
            concepts, made = self._calibration(value)
            self._made[value.name] = (concepts, made)
        plain, lists, concept = self._people.slates(), made, concepts.index(value)
        parts = np.linspace(0, 1, max(n_strengths // 2, 3))
        steps = (0.0, *(1 + parts).round(3).tolist())
        return Rival(
            f"CALISSTA, alpha {self._alpha:g}",
            "calibration",
            lambda step: plain if step == 0 else lists.slates(concept, step - 1),
            steps,
        )

    def _calibration(self, value: AttributeValue) -> tuple[list[AttributeValue], Calibration]:
        counts = self._table.carries.sum(0)
        alike = [i for i, other in enumerate(self._table.values) if other.name == value.name]
        largest = sorted(alike, key=lambda i: (-counts[i], i))[:MAX_CONCEPTS]
        columns = list(dict.fromkeys([*largest, self._table.values.index(value)]))
        carries = self._table.carries[:, columns]
        made = calibration(self._people, self._run.sae, carries, self._alpha)
        return [self._table.values[i] for i in columns], made


@torch.no_grad()
def calibration(people: Audience, sae: Sae, concepts: Bools, alpha: float) -> Calibration:
    """The lists of some users.

    Args:
        people: whose slates are asked for.
        sae: at the hook.
        concepts: which items carry each [n_items + 1, n_concepts].
        alpha: strength of the steering, 0..1.
    """
    vectors = fit_steering_vectors(_item_activations(people, sae), concepts[1:].T)
    matrix = concepts.T.astype(np.float64)
    proportions = np.stack([history_proportions(items, matrix) for items in people.histories])
    activations = sae.encode(people.newest)
    unexplained = people.newest - sae.decode(activations)
    lists = []
    for row, own in enumerate(activations.double().cpu().numpy()):
        strengths = alpha_per_concept(alpha, np.ones(len(vectors)), proportions[row])
        steered = torch.from_numpy(steer(own, strengths, vectors, mode="direction"))
        hidden = sae.decode(steered.to(people.hidden)) + unexplained[row]
        lists.append(_best(people, row, hidden))
    return Calibration(np.stack(lists), proportions)


def _best(people: Audience, row: int, hidden: Tensor) -> npt.NDArray[np.int64]:
    """Best unread items of one user under some newest hidden states [n_concepts, N_CANDIDATES]."""
    n = len(hidden)
    older = people.hidden[row, :-1].expand(n, -1, -1)
    states = torch.cat([older, hidden[:, None]], dim=1)
    final = people.model.upper(states, people.items[row].expand(n, -1), people.cut)[:, -1]
    read = people.excluded[row].expand(n, -1)
    scores = people.model.scores(final).scatter_(1, read, -torch.inf)
    return np.asarray(scores.topk(min(N_CANDIDATES, scores.shape[1] - 1), dim=1).indices.cpu())


def _item_activations(people: Audience, sae: Sae) -> Floats:
    """Activations after a history of each item alone [n_items, d_sae]."""
    items = torch.arange(1, people.model.shape.n_items + 1, device=people.items.device)[:, None]
    parts = [
        sae.encode(people.model.lower(i, people.cut)[:, -1]) for i in torch.split(items, BATCH)
    ]
    return np.asarray(torch.cat(parts).double().cpu().numpy())
