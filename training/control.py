"""Does steering steer: an attribute's share of the slates before and after, and the NDCG kept.

Reads a published bundle and uses the graphs and the arithmetic that serve, so that what is
measured is what users get.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_store.bundle import Bundle
from model_store.manifest import EditPositions
from steering.edit import edit
from steering.plan import Limits, Plan, plan_for
from steering.resolved import no_conditions, resolve_rules
from steering.rules import Attribute, Rule
from steering.space import FeatureSpace
from training.batches import Items, generator, left_padded
from training.metrics import Ranks, attribute_share, ndcg, ranks
from training.split import LeaveOneOut

K = 10
SLATE = 20
BATCH = 128

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ControlStudy:
    """What rules do to an attribute's share and to relevance, over test users."""

    attribute: Attribute
    """Whose share is measured."""
    n_users: int
    """Test users."""
    share_before: float
    """Mean share of the attribute in the unsteered top 20."""
    share_after: float
    """The same under the rules."""
    ndcg_before: float
    """NDCG@10 of the unsteered slates."""
    ndcg_after: float
    """NDCG@10 under the rules."""
    clipped_share: float
    """Share of users for whom a limit held the edit back."""

    @property
    def share_factor(self) -> float:
        """How many times the share before the share after is; infinite from nothing."""
        return self.share_after / self.share_before if self.share_before else float("inf")

    @property
    def ndcg_kept_share(self) -> float:
        """NDCG@10 under the rules over that without; above 1 where steering helps."""
        return self.ndcg_after / self.ndcg_before if self.ndcg_before else 1.0


@dataclass(frozen=True, eq=False)
class _Slates:
    """Answers to some users."""

    ranks: Ranks
    """[n] of the test items."""
    items: Int64
    """[n, SLATE]."""


def control_study(
    bundle: Bundle,
    split: LeaveOneOut,
    rules: Sequence[Rule],
    attribute: Attribute,
    *,
    users: int | None = 200,
    seed: int = 0,
    limits: Limits | None = None,
) -> ControlStudy:
    """The effect of the rules on `attribute` over test users; histories are never recommended.

    Args:
        bundle: trained on the data of `split`, whose test items it has not seen.
        split: leave-one-out parts.
        rules: one layer, without conditions.
        attribute: whose share is measured.
        users: test users drawn; None: all of them.
        seed: of the draw.
        limits: of the edit; None: the defaults.

    Raises:
        RulesRefused: a rule names what the bundle does not have.
    """
    space = feature_space(bundle)
    plan = plan_for([resolve_rules(rules, space, no_conditions)], {}, limits or Limits())
    drawn = generator(seed, 2).permutation(len(split.test_inputs))[:users]
    carries = carried(bundle, attribute)
    plain, steered, clipped = _answers(bundle, split, plan, space, drawn)
    return ControlStudy(
        attribute=attribute,
        n_users=len(drawn),
        share_before=attribute_share(plain.items, carries),
        share_after=attribute_share(steered.items, carries),
        ndcg_before=ndcg(plain.ranks, K),
        ndcg_after=ndcg(steered.ranks, K),
        clipped_share=clipped,
    )


def feature_space(bundle: Bundle) -> FeatureSpace:
    """What rules can name in the bundle."""
    groups = {Attribute(*name): group.weights for name, group in bundle.groups.items()}
    return FeatureSpace.of(bundle.reference_activations, groups)


def carried(bundle: Bundle, attribute: Attribute) -> npt.NDArray[np.bool_]:
    """Which items carry the attribute, bool [n_items + 1]."""
    attributes = bundle.catalogue.attributes
    return np.array([attribute.value in values.get(attribute.name, ()) for values in attributes])


def _answers(
    bundle: Bundle, split: LeaveOneOut, plan: Plan, space: FeatureSpace, drawn: Int64
) -> tuple[_Slates, _Slates, float]:
    """Slates without and with the plan, and the share of users whose edit was clipped."""
    plain, steered, clipped = [], [], []
    for rows in _parts(drawn):
        histories = [split.test_inputs[row] for row in rows]
        targets = split.test_targets[rows]
        items = left_padded(histories, bundle.manifest.base_model.max_seq).numpy()
        hidden = bundle.graphs.hidden(items)
        plain.append(_slates(bundle, hidden, items, histories, targets))
        shifted, held_back = _steered(bundle, plan, space, hidden, items)
        clipped.append(held_back)
        steered.append(_slates(bundle, shifted, items, histories, targets))
    return _joined(plain), _joined(steered), float(np.concatenate(clipped).mean())


def _steered(
    bundle: Bundle, plan: Plan, space: FeatureSpace, hidden: Float32, items: Int64
) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Hidden states under the plan, and which rows a limit held back [batch]."""
    batch, positions, d_model = hidden.shape
    activations = bundle.graphs.activations(hidden.reshape(-1, d_model))
    activations = activations.reshape(batch, positions, -1)
    everywhere = bundle.manifest.hook_point.positions is EditPositions.ALL
    shifted, held_back = hidden.copy(), np.zeros(batch, dtype=np.bool_)
    for row in range(batch):
        first = int(np.argmax(items[row] > 0)) if everywhere else positions - 1
        edited = edit(plan, space, activations[row, first:], hidden[row, first:], bundle.W_dec)
        shifted[row, first:] += edited.shift
        held_back[row] = edited.is_shift_clipped
    return shifted, held_back


def _slates(
    bundle: Bundle, hidden: Float32, items: Int64, histories: list[Items], targets: Items
) -> _Slates:
    excluded = left_padded(histories, max(map(len, histories))).numpy()
    answer = bundle.graphs.top_k_and_scores(hidden, items, excluded, SLATE)
    return _Slates(ranks(answer.all_scores, targets, histories), answer.items)


def _parts(drawn: Int64) -> Iterator[Int64]:
    for start in range(0, len(drawn), BATCH):
        yield drawn[start : start + BATCH]


def _joined(parts: list[_Slates]) -> _Slates:
    return _Slates(
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.items for part in parts]),
    )
