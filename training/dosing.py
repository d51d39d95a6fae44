"""SCALE and ADD for many users at once: the served edit (docs/adr/0002-steering.md), as tensors.

Only differences are added to the hidden state, and the limits come last: the factor, each
activation, then the whole shift at each position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from model_store.cards import AttributeGroup, FeatureCard
from model_store.manifest import EditPositions
from steering.plan import Limits
from training.sae import Sae
from training.study.audience import Audience

Operation = Literal["SCALE", "ADD"]
IDENTITY: dict[Operation, float] = {"SCALE": 1.0, "ADD": 0.0}
"""The strength that changes nothing."""
ENCODE_ROWS = 4_096


@dataclass(frozen=True)
class Target:
    """What a rule acts on."""

    features: tuple[int, ...]
    """Feature indices, each once."""
    weights: tuple[float, ...]
    """Part of an ADD that falls on each, in its own reference units; they sum to 1."""

    @classmethod
    def one(cls, feature: int) -> Self:
        """A single feature."""
        return cls((feature,), (1.0,))

    @classmethod
    def group(cls, group: AttributeGroup) -> Self:
        """An attribute's group."""
        features, weights = zip(*group.weights, strict=True)
        return cls(features, weights)


@dataclass(frozen=True, eq=False)
class Subjects:
    """Users to steer: what the SAE reads of them, and what it writes with."""

    people: Audience
    """The users."""
    hidden: Tensor
    """At the positions that an edit touches [n, n_edited, d_model]."""
    activations: sparse.csc_array
    """There, [n * n_edited, d_sae]; padding has none."""
    W_dec: Tensor
    """[d_sae, d_model], in the hidden state's own units."""
    references: Tensor
    """Reference activations, raw [d_sae]."""
    limits: Limits
    """Those that a service has unless it is told others."""

    @classmethod
    def of(
        cls, people: Audience, sae: Sae, positions: EditPositions, cards: Sequence[FeatureCard]
    ) -> Self:
        """The users as an SAE sees them, with the default limits."""
        references = torch.tensor([card.reference_activation for card in cards])
        return cls.at(people, sae, positions, references)

    @classmethod
    def at(cls, people: Audience, sae: Sae, positions: EditPositions, references: Tensor) -> Self:
        """The same with reference activations [d_sae] in place of cards."""
        hidden = people.edited(positions)
        read = people.items[:, -hidden.shape[1] :] > 0
        return cls(
            people=people,
            hidden=hidden,
            activations=_encoded(sae, hidden, read),
            W_dec=sae.W_dec.detach(),
            references=references.to(sae.W_dec),
            limits=Limits(),
        )

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.hidden)

    def first(self, n: int) -> Self:
        """The first n users."""
        rows = n * self.hidden.shape[1]
        return replace(
            self,
            people=self.people.part(torch.arange(n)),
            hidden=self.hidden[:n],
            activations=self.activations[:rows],
        )

    def before(self, target: Target) -> Tensor:
        """Activations of the target's features [n, n_edited, n_features]."""
        columns = self.activations[:, list(target.features)].toarray()
        found = torch.from_numpy(columns).to(self.hidden)
        return found.view(*self.hidden.shape[:2], -1)

    def active(self, target: Target) -> Tensor:
        """Whether SCALE finds anything to act on, bool [n]."""
        found: Tensor = (self.before(target) != 0).flatten(1).any(1)
        return found

    def shift(self, operation: Operation, target: Target, strength: float) -> Tensor:
        """What a rule adds to the hidden state [n, n_edited, d_model], limits kept.

        Args:
            operation: of the rule.
            target: what it acts on.
            strength: a factor for SCALE, reference units for ADD.
        """
        before = self.before(target)
        own = list(target.features)
        after = self._after(before, own, operation, strength, target.weights)
        return self.limited((after - before) @ self.W_dec[own])

    def limited(self, shift: Tensor) -> Tensor:
        """Shifts [n, n_edited, d_model], shortened where they exceed their share of the norm."""
        allowed = self.limits.max_shift_share * self.hidden.norm(dim=2, keepdim=True)
        length = shift.norm(dim=2, keepdim=True).clamp_min(1e-12)
        kept: Tensor = shift * (allowed / length).clamp_max(1.0)
        return kept

    def _after(
        self,
        before: Tensor,
        own: list[int],
        operation: Operation,
        strength: float,
        weights: Sequence[float],
    ) -> Tensor:
        """Activations after the operation and their own limits, shaped as before."""
        reference = self.references[own]
        if operation == "SCALE":
            moved = before * min(strength, self.limits.max_factor)
        else:
            moved = before + strength * torch.tensor(weights).to(reference) * reference
        reach = torch.maximum(self.limits.max_activation * reference, before.abs())
        return torch.where(reference > 0, moved.clamp(-reach, reach), moved)


@torch.no_grad()
def _encoded(sae: Sae, hidden: Tensor, read: Tensor) -> sparse.csc_array:
    """Activations at hidden states [n, n_edited, d_model] as [n * n_edited, d_sae]."""
    rows, real = hidden.flatten(0, 1), read.flatten()[:, None]
    pairs = zip(torch.split(rows, ENCODE_ROWS), torch.split(real, ENCODE_ROWS), strict=True)
    parts = [sparse.csr_array((sae.encode(h) * is_read).cpu().numpy()) for h, is_read in pairs]
    return sparse.vstack(parts, format="csc")


def newest_norms(shift: Tensor) -> npt.NDArray[np.float64]:
    """Norm of each user's shift at the newest position [n], of [n, n_edited, d_model]."""
    return np.asarray(shift[:, -1].norm(dim=1).double().cpu().numpy())
