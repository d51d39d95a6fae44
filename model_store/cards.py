"""Feature cards and attribute groups: what is known and measured of an SAE's features."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from model_store.manifest import Record, Share

CARDS_FILE = "feature_cards.json"


class AttributeValue(Record):
    """One value of one item attribute, e.g. genre / Horror."""

    name: str
    """Attribute name."""
    value: str
    """Attribute value, as the catalogue spells it."""


class Association(Record):
    """How well a feature's activation tells items with an attribute from those without."""

    attribute: AttributeValue
    """The attribute."""
    roc_auc: Share
    """Of the activation against "the last item carries the attribute"; ties count one half."""
    roc_auc_low: Share
    """Lower end of the 95 % confidence interval (DeLong)."""
    roc_auc_high: Share
    """Upper end of the 95 % confidence interval (DeLong)."""


class TopItem(Record):
    """An item on which a feature is strongly active."""

    item_id: str
    """As in the catalogue."""
    activation: float
    """Mean activation when the item is the last of a history, in reference units."""


class LabelSource(StrEnum):
    """Where a label comes from."""

    ATTRIBUTE = "attribute"
    """The attribute that the feature tells apart."""
    CO_OCCURRENCE = "co_occurrence"
    """Items that the same users take."""
    TITLES = "titles"
    """Titles of the strongest items, where nothing else is clear."""
    MODEL = "model"
    """A language model, asked about the strongest items."""


class LabelEvidence(Record):
    """Why a feature is called what it is called."""

    source: LabelSource
    """Where the label comes from."""
    attribute: AttributeValue | None = None
    """The attribute that it names, if it names one."""
    measure: str = ""
    """What `value` is, e.g. `lift`; empty: nothing was measured."""
    value: float | None = None
    """How clear the label is, in the measure's own unit."""
    model: str = ""
    """Name of the language model; empty: none was asked."""
    reason: str = ""
    """One sentence for people."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Band:
    """A measured value and how far it may be off."""

    value: float
    """As measured."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class DosePoint:
    """What one strength does to slates; bands are 95 % bootstrap intervals over users.

    The formulas are those of `training/study/outcomes.py`.
    """

    strength: float
    """What a rule takes: a factor for SCALE, reference units for ADD."""
    share_at_10: Band
    """Share of the attribute in the top 10, 0..1."""
    share_at_20: Band
    """Share of the attribute in the top 20, 0..1."""
    ndcg_kept_share: Band
    """NDCG@10 over that of the unsteered slates; above 1 where steering helps."""
    overlap_at_20: Band
    """Part of the unsteered top 20 that is still there, 0..1."""
    popularity_shift: Band
    """Change of the mean popularity rank of the top 20, of ranks from 0 (rarest) to 1."""
    diversity_shift: Band
    """Change of the mean distance between two items of the top 20, of distances 0..1."""


class OffTarget(Record):
    """What a dose does to an attribute that it is not about."""

    attribute: AttributeValue
    """The attribute."""
    share_change: Band
    """Change of its share of the top 20, -1..1."""


class DoseResponse(Record):
    """What one operation does at a grid of strengths, to users who chose nothing."""

    operation: Literal["SCALE", "ADD"]
    """Of the rule."""
    attribute: AttributeValue
    """Whose share is measured."""
    n_users: Annotated[int, Field(ge=1)]
    """Users measured on."""
    points: Annotated[tuple[DosePoint, ...], Field(min_length=1)]
    """By strength, ascending; the one that changes nothing (SCALE 1, ADD 0) is among them."""
    random_share_at_20: tuple[Band, ...] = ()
    """One per point: mean, lowest and highest share under random directions of equal norm."""
    saturation_strength: float | None = None
    """Smallest strength with 95 % of the largest rise; None: still rising at the last, or never."""
    inactive_share: Share
    """Part of the users for whom SCALE finds nothing to act on."""
    off_target_strength: float
    """Strength at which off-target changes are given."""
    off_target: tuple[OffTarget, ...] = ()
    """Other attributes whose share changes most there, largest change first."""


class FeatureCard(Record):
    """One feature."""

    feature_index: Annotated[int, Field(ge=0)]
    """Row of W_dec."""
    label: str = ""
    """What it seems to mean; empty: not labelled."""
    reference_activation: Annotated[float, Field(ge=0)]
    """99th percentile of its non-zero activations on the training histories, raw; 0: dead."""
    density: Share
    """Share of positions of the training histories where it is active."""
    attributes: tuple[Association, ...] = ()
    """Strongest first."""
    top_items: tuple[TopItem, ...] = ()
    """Strongest first."""
    label_evidence: LabelEvidence | None = None
    """How the label came about; None: not recorded."""
    effects: tuple[DoseResponse, ...] = ()
    """What SCALE and ADD do, on the attribute that it is about; empty: not measured."""

    @property
    def is_dead(self) -> bool:
        """Whether it never fired on the training histories."""
        return self.reference_activation == 0


class GroupMember(Record):
    """One feature of an attribute's group."""

    feature_index: Annotated[int, Field(ge=0)]
    """Row of W_dec."""
    weight: Annotated[float, Field(gt=0, le=1)]
    """Part of an ADD that falls on it, in its reference units; a group's weights sum to 1."""


class AttributeGroup(Record):
    """The measured group of features that carry an attribute."""

    attribute: AttributeValue
    """The attribute."""
    members: Annotated[tuple[GroupMember, ...], Field(min_length=1)]
    """Heaviest first; each has a reference activation above 0."""
    effects: tuple[DoseResponse, ...] = ()
    """What SCALE and ADD do to the attribute's share; empty: not measured."""

    @property
    def weights(self) -> tuple[tuple[int, float], ...]:
        """Feature index and weight of each member."""
        return tuple((member.feature_index, member.weight) for member in self.members)


class FeatureCards(Record):
    """The contents of feature_cards.json."""

    features: tuple[FeatureCard, ...]
    """One per feature, by index, without gaps."""
    groups: tuple[AttributeGroup, ...] = ()
    """By attribute name and value."""
