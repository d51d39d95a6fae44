"""Feature cards and attribute groups: what is known and measured of an SAE's features."""

from typing import Annotated

from pydantic import Field

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

    @property
    def is_dead(self) -> bool:
        """Whether it never fired on the training histories."""
        return self.reference_activation == 0


class GroupMember(Record):
    """One feature of an attribute's group."""

    feature_index: Annotated[int, Field(ge=0)]
    """Row of W_dec."""
    weight: Annotated[float, Field(gt=0, le=1)]
    """Share of the group's measured effect; a group's weights sum to 1."""


class AttributeGroup(Record):
    """The measured group of features that carry an attribute."""

    attribute: AttributeValue
    """The attribute."""
    members: Annotated[tuple[GroupMember, ...], Field(min_length=1)]
    """Heaviest first; each has a reference activation above 0."""

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
