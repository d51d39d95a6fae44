"""FeatureService."""

import asyncio
from itertools import islice

from steerrec.v1 import feature_pb2, feature_pb2_grpc

from model_store.cards import AttributeGroup
from service.errors import FeatureNotFound, GroupNotFound, InvalidRequest, Violation
from service.rpc.cards import feature_to_proto, group_to_proto
from service.rpc.interceptor import Context
from service.rpc.paging import MAX_SIZE, page_size_of, page_token, start_of
from service.settings import PRODUCTION
from service.snapshot import Current, ServedModel

MAX_QUERY = 200
DEFAULT_FOUND = 10
MAX_FOUND = 100
MAX_WITH_EFFECTS = 100
"""Cards with effects on a page: some kilobytes each, and a message has a limit."""


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
            feature=feature_to_proto(cards[request.feature_index], bundle, with_effects=True),
            model_version=bundle.version,
        )

    async def ListFeatures(
        self, request: feature_pb2.ListFeaturesRequest, context: Context
    ) -> feature_pb2.ListFeaturesResponse:
        """Cards by index, a page at a time."""
        bundle = self._served(request.model).bundle
        size = _size(request.page_size, include_effects=request.include_effects)
        scope = f"features {bundle.version} {request.include_dead}"
        left = bundle.cards.features[start_of(request.page_token, scope) :]
        wanted = (card for card in left if request.include_dead or not card.is_dead)
        page = list(islice(wanted, size + 1))
        return feature_pb2.ListFeaturesResponse(
            features=[
                feature_to_proto(card, bundle, with_effects=request.include_effects)
                for card in page[:size]
            ],
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
            features=[
                feature_to_proto(cards[index], served.bundle, with_effects=request.include_effects)
                for index in found
            ],
            model_version=served.bundle.version,
        )

    async def ListAttributeGroups(
        self, request: feature_pb2.ListAttributeGroupsRequest, context: Context
    ) -> feature_pb2.ListAttributeGroupsResponse:
        """The attributes that a rule can target, a page at a time."""
        served = self._served(request.model)
        bundle = served.bundle
        size = _size(request.page_size, include_effects=request.include_effects)
        scope = f"groups {bundle.version}"
        start = start_of(request.page_token, scope)
        groups = sorted(bundle.cards.groups, key=_group_key)
        page = groups[start : start + size]
        is_last = start + size >= len(groups)
        return feature_pb2.ListAttributeGroupsResponse(
            attribute_groups=[
                group_to_proto(group, served, with_effects=request.include_effects)
                for group in page
            ],
            next_page_token="" if is_last else page_token(scope, str(start + size - 1)),
            model_version=bundle.version,
        )

    async def GetAttributeGroup(
        self, request: feature_pb2.GetAttributeGroupRequest, context: Context
    ) -> feature_pb2.GetAttributeGroupResponse:
        """One attribute's group, with what doses do."""
        served = self._served(request.model)
        name, value = request.attribute.name, request.attribute.value
        group = served.bundle.groups.get((name, value))
        if group is None:
            raise GroupNotFound(name, value, len(served.bundle.groups))
        return feature_pb2.GetAttributeGroupResponse(
            attribute_group=group_to_proto(group, served, with_effects=True),
            model_version=served.bundle.version,
        )

    def _served(self, model: str) -> ServedModel:
        return self._current.snapshot.model(model or PRODUCTION)


def _size(asked: int, *, include_effects: bool) -> int:
    return page_size_of(asked, most=MAX_WITH_EFFECTS if include_effects else MAX_SIZE)


def _group_key(group: AttributeGroup) -> tuple[str, str]:
    return group.attribute.name, group.attribute.value
