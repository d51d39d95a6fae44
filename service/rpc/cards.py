"""Feature cards and attribute groups as protobuf."""

from collections.abc import Sequence
from itertools import zip_longest

from steerrec.v1 import feature_pb2, rule_pb2

from model_store.bundle import Bundle
from model_store.cards import (
    AttributeGroup,
    AttributeValue,
    Band,
    DosePoint,
    DoseResponse,
    FeatureCard,
    LabelEvidence,
)
from service.snapshot import ServedModel


def feature_to_proto(
    card: FeatureCard, bundle: Bundle, *, with_effects: bool
) -> feature_pb2.Feature:
    """The card, titles from the bundle's catalogue."""
    evidence = card.label_evidence
    return feature_pb2.Feature(
        feature_index=card.feature_index,
        label=card.label,
        reference_activation=card.reference_activation,
        density=card.density,
        is_dead=card.is_dead,
        attributes=[
            feature_pb2.AttributeAssociation(
                attribute=_attribute(association.attribute),
                roc_auc=association.roc_auc,
                roc_auc_low=association.roc_auc_low,
                roc_auc_high=association.roc_auc_high,
            )
            for association in card.attributes
        ],
        top_items=_top_items(card, bundle),
        label_evidence=_evidence(evidence) if evidence else None,
        effects=[_response(effect) for effect in card.effects] if with_effects else [],
    )


def group_to_proto(
    group: AttributeGroup, served: ServedModel, *, with_effects: bool
) -> feature_pb2.AttributeGroup:
    """The group, with how many items carry its attribute."""
    return feature_pb2.AttributeGroup(
        attribute=_attribute(group.attribute),
        members=[
            feature_pb2.GroupMember(feature_index=member.feature_index, weight=member.weight)
            for member in group.members
        ],
        item_count=served.item_counts[group.attribute.name, group.attribute.value],
        effects=[_response(effect) for effect in group.effects] if with_effects else [],
    )


def _top_items(card: FeatureCard, bundle: Bundle) -> Sequence[feature_pb2.TopItem]:
    catalogue = bundle.catalogue
    return [
        feature_pb2.TopItem(
            item_id=item.item_id,
            title=catalogue.titles[catalogue.index_of[item.item_id]],
            activation=item.activation,
        )
        for item in card.top_items
    ]


def _evidence(evidence: LabelEvidence) -> feature_pb2.LabelEvidence:
    return feature_pb2.LabelEvidence(
        source=feature_pb2.LabelSource.Value(f"LABEL_SOURCE_{evidence.source.name}"),
        attribute=_attribute(evidence.attribute) if evidence.attribute else None,
        measure=evidence.measure,
        value=evidence.value or 0.0,
        model=evidence.model,
        reason=evidence.reason,
    )


def _response(response: DoseResponse) -> feature_pb2.DoseResponse:
    return feature_pb2.DoseResponse(
        operation=rule_pb2.Operation.Value(f"OPERATION_{response.operation}"),
        attribute=_attribute(response.attribute),
        user_count=response.n_users,
        points=[
            _point(point, random)
            for point, random in zip_longest(response.points, response.random_share_at_20)
        ],
        saturation_strength=response.saturation_strength,
        inactive_share=response.inactive_share,
        off_target_strength=response.off_target_strength,
        off_target=[
            feature_pb2.OffTarget(
                attribute=_attribute(other.attribute), share_change=_band(other.share_change)
            )
            for other in response.off_target
        ],
    )


def _point(point: DosePoint, random: Band | None) -> feature_pb2.DosePoint:
    return feature_pb2.DosePoint(
        strength=point.strength,
        share_at_10=_band(point.share_at_10),
        share_at_20=_band(point.share_at_20),
        ndcg_kept_share=_band(point.ndcg_kept_share),
        overlap_at_20=_band(point.overlap_at_20),
        popularity_shift=_band(point.popularity_shift),
        diversity_shift=_band(point.diversity_shift),
        random_share_at_20=_band(random) if random else None,
    )


def _band(band: Band) -> feature_pb2.Band:
    return feature_pb2.Band(value=band.value, low=band.low, high=band.high)


def _attribute(attribute: AttributeValue) -> rule_pb2.Attribute:
    return rule_pb2.Attribute(name=attribute.name, value=attribute.value)
