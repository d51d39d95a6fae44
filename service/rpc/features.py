"""FeatureService."""

import asyncio
from collections.abc import Sequence
from itertools import islice

from steerrec.v1 import feature_pb2, feature_pb2_grpc, rule_pb2

from model_store.bundle import Bundle
from model_store.cards import AttributeGroup, AttributeValue, FeatureCard
from service.errors import FeatureNotFound, InvalidRequest, Violation
from service.rpc.interceptor import Context
from service.rpc.paging import page_size_of, page_token, start_of
from service.settings import PRODUCTION
from service.snapshot import Current, ServedModel

MAX_QUERY = 200
DEFAULT_FOUND = 10
MAX_FOUND = 100


class FeatureServicer(feature_pb2_grpc.FeatureServiceServicer):
    """Shows feature cards and attribute groups of the served bundles."""

    def __init__(self, current: Current) -> None:
        self._current = current

    async def GetFeature(
        self, request: feature_pb2.GetFeatureRequest, context: Context
    ) -> feature_pb2.GetFeatureResponse:
        """One feature's card."""
        bundle = self._served(request.model).bundle
        cards = bundle.cards.features
        if not 0 <= request.feature_index < len(cards):
            raise FeatureNotFound(request.feature_index, len(cards))
        return feature_pb2.GetFeatureResponse(
            feature=feature_to_proto(cards[request.feature_index], bundle),
            model_version=bundle.version,
        )

    async def ListFeatures(
        self, request: feature_pb2.ListFeaturesRequest, context: Context
    ) -> feature_pb2.ListFeaturesResponse:
        """Cards by index, a page at a time."""
        bundle = self._served(request.model).bundle
        size = page_size_of(request.page_size)
        scope = f"features {bundle.version} {request.include_dead}"
        left = bundle.cards.features[start_of(request.page_token, scope) :]
        wanted = (card for card in left if request.include_dead or not card.is_dead)
        page = list(islice(wanted, size + 1))
        return feature_pb2.ListFeaturesResponse(
            features=[feature_to_proto(card, bundle) for card in page[:size]],
            next_page_token=page_token(scope, str(page[size - 1].feature_index))
            if len(page) > size
            else "",
            model_version=bundle.version,
        )

    async def SearchFeatures(
        self, request: feature_pb2.SearchFeaturesRequest, context: Context
    ) -> feature_pb2.SearchFeaturesResponse:
        """Cards that match words, best first."""
        served = self._served(request.model)
        size = page_size_of(request.page_size, default=DEFAULT_FOUND, most=MAX_FOUND)
        if not 1 <= len(request.query.strip()) <= MAX_QUERY:
            message = f"{len(request.query.strip())} characters; 1 to {MAX_QUERY}"
            raise InvalidRequest([Violation("query", message)])
        found = await asyncio.to_thread(served.search.best, request.query, size)
        cards = served.bundle.cards.features
        return feature_pb2.SearchFeaturesResponse(
            features=[feature_to_proto(cards[index], served.bundle) for index in found],
            model_version=served.bundle.version,
        )

    async def ListAttributeGroups(
        self, request: feature_pb2.ListAttributeGroupsRequest, context: Context
    ) -> feature_pb2.ListAttributeGroupsResponse:
        """The attributes that a rule can target, a page at a time."""
        served = self._served(request.model)
        bundle = served.bundle
        size = page_size_of(request.page_size)
        scope = f"groups {bundle.version}"
        start = start_of(request.page_token, scope)
        groups = sorted(bundle.cards.groups, key=_group_key)
        page = groups[start : start + size]
        is_last = start + size >= len(groups)
        return feature_pb2.ListAttributeGroupsResponse(
            attribute_groups=[_group_to_proto(group, served) for group in page],
            next_page_token="" if is_last else page_token(scope, str(start + size - 1)),
            model_version=bundle.version,
        )

    def _served(self, model: str) -> ServedModel:
        return self._current.snapshot.model(model or PRODUCTION)


def feature_to_proto(card: FeatureCard, bundle: Bundle) -> feature_pb2.Feature:
    """The card as protobuf, titles from the bundle's catalogue."""
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


def _group_to_proto(group: AttributeGroup, served: ServedModel) -> feature_pb2.AttributeGroup:
    key = (group.attribute.name, group.attribute.value)
    return feature_pb2.AttributeGroup(
        attribute=_attribute(group.attribute),
        members=[
            feature_pb2.GroupMember(feature_index=member.feature_index, weight=member.weight)
            for member in group.members
        ],
        item_count=served.item_counts[key],
    )


def _group_key(group: AttributeGroup) -> tuple[str, str]:
    return group.attribute.name, group.attribute.value


def _attribute(attribute: AttributeValue) -> rule_pb2.Attribute:
    return rule_pb2.Attribute(name=attribute.name, value=attribute.value)
