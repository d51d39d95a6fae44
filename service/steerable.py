"""What a target can name in one bundle: attributes with a feature group, and who carries them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_store.bundle import Bundle
from model_store.cards import DoseResponse
from steering.lever import Pull
from steering.rules import Attribute
from steering.space import FeatureSpace, Group
from steering.target import Aim, Curve

NO_CURVE = Curve(np.array([]), np.array([]))


@dataclass(frozen=True, eq=False, slots=True)
class Steerable:
    """One attribute that a target can name."""

    attribute: Attribute
    pull: Pull
    carriers: NDArray[np.bool_]
    """[n_items + 1] whether an item carries it."""
    n_carriers: int
    curve: Curve
    """Its card's dose-response to ADD."""

    def aim(self, wanted: float) -> Aim:
        """The attribute with the share of it that is wanted."""
        return Aim(self.attribute, wanted, self.pull, self.carriers, self.n_carriers, self.curve)


def steerables_of(bundle: Bundle, space: FeatureSpace) -> Mapping[Attribute, Steerable]:
    """Every attribute of the bundle that has a feature group; made once, when it is loaded."""
    carriers = _carriers(bundle, space.groups)
    return {
        attribute: Steerable(
            attribute=attribute,
            pull=_pull(group, space),
            carriers=carriers[attribute],
            n_carriers=int(carriers[attribute].sum()),
            curve=_curve(bundle.groups[attribute.name, attribute.value].effects),
        )
        for attribute, group in space.groups.items()
    }


def _pull(group: Group, space: FeatureSpace) -> Pull:
    reference = space.reference[group.indices]
    per_reference = np.divide(1.0, reference, out=np.zeros_like(reference), where=reference > 0)
    return Pull(group.indices, group.weights * reference, per_reference)


def _carriers(
    bundle: Bundle, wanted: Mapping[Attribute, object]
) -> Mapping[Attribute, NDArray[np.bool_]]:
    catalogue = bundle.catalogue
    sets = {attribute: np.zeros(len(catalogue.attribute_sets), dtype=bool) for attribute in wanted}
    for number, attributes in enumerate(catalogue.attribute_sets):
        for name, values in attributes.items():
            for value in values:
                if (own := sets.get(Attribute(name, value))) is not None:
                    own[number] = True
    masks = {attribute: own[catalogue.attribute_set_of] for attribute, own in sets.items()}
    for mask in masks.values():
        mask.flags.writeable = False
    return masks


def _curve(effects: Sequence[DoseResponse]) -> Curve:
    for effect in effects:
        if effect.operation == "ADD":
            return Curve(
                np.array([point.strength for point in effect.points]),
                np.array([point.share_at_20.value for point in effect.points]),
            )
    return NO_CURVE
