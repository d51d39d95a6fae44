"""FeatureService over a real channel."""

import pytest
from steerrec.v1 import feature_pb2, rule_pb2

from tests.bundles import effect
from tests.integration.asking import fields, reason, refusal
from tests.integration.conftest import Service


async def listed(service: Service, page_size: int, *, include_dead: bool) -> list[int]:
    """Indices of every feature, read page by page."""
    found: list[int] = []
    token = ""
    while True:
        page = await service.features.ListFeatures(
            feature_pb2.ListFeaturesRequest(
                page_size=page_size, page_token=token, include_dead=include_dead
            )
        )
        found += [own.feature_index for own in page.features]
        token = page.next_page_token
        if not token:
            return found


async def search(service: Service, query: str, page_size: int = 3) -> list[int]:
    asked = feature_pb2.SearchFeaturesRequest(query=query, page_size=page_size)
    return [own.feature_index for own in (await service.features.SearchFeatures(asked)).features]


async def test_a_card_is_given_by_index(service: Service) -> None:
    asked = feature_pb2.GetFeatureRequest(feature_index=4)
    feature = (await service.features.GetFeature(asked)).feature
    assert (feature.feature_index, feature.label, feature.top_items[0].title) == (
        4,
        "Comedy",
        "Item 5",
    )


@pytest.mark.parametrize("index", [-1, 32])
async def test_a_feature_beyond_the_sae_is_not_found(service: Service, index: int) -> None:
    asked = feature_pb2.GetFeatureRequest(feature_index=index)
    assert reason(await refusal(service.features.GetFeature(asked))) == "FEATURE_NOT_FOUND"


@pytest.mark.parametrize("page_size", [1, 7, 31, 32, 100])
async def test_pages_hold_every_living_feature_once(service: Service, page_size: int) -> None:
    cards = service.replica.current.snapshot.model("production").bundle.cards.features
    alive = [card.feature_index for card in cards if not card.is_dead]
    assert await listed(service, page_size, include_dead=False) == alive


async def test_dead_features_are_listed_on_request(service: Service) -> None:
    assert await listed(service, 5, include_dead=True) == list(range(32))


async def test_a_token_of_another_list_is_refused(service: Service) -> None:
    first = await service.features.ListFeatures(feature_pb2.ListFeaturesRequest(page_size=1))
    other = feature_pb2.ListAttributeGroupsRequest(page_token=first.next_page_token)
    assert fields(await refusal(service.features.ListAttributeGroups(other))) == ["page_token"]


async def test_a_label_is_found_by_its_words(service: Service) -> None:
    assert await search(service, "horror") == [0, 1, 2]


async def test_a_misspelled_label_is_found(service: Service) -> None:
    assert await search(service, "documentry") == [6, 7, 8]


async def test_a_title_is_found(service: Service) -> None:
    assert (await search(service, "Item 7", 1)) == [6]


async def test_nothing_is_found_by_nonsense(service: Service) -> None:
    assert await search(service, "zqxjkv") == []


@pytest.mark.parametrize("query", ["", "   ", "x" * 201])
async def test_a_query_has_limits(service: Service, query: str) -> None:
    asked = feature_pb2.SearchFeaturesRequest(query=query)
    assert fields(await refusal(service.features.SearchFeatures(asked))) == ["query"]


async def test_a_search_has_a_page_limit(service: Service) -> None:
    asked = feature_pb2.SearchFeaturesRequest(query="x", page_size=101)
    assert fields(await refusal(service.features.SearchFeatures(asked))) == ["page_size"]


async def test_groups_are_listed_by_attribute(service: Service) -> None:
    first = await service.features.ListAttributeGroups(
        feature_pb2.ListAttributeGroupsRequest(page_size=3)
    )
    second = await service.features.ListAttributeGroups(
        feature_pb2.ListAttributeGroupsRequest(page_size=3, page_token=first.next_page_token)
    )
    groups = [*first.attribute_groups, *second.attribute_groups]
    assert [own.attribute.value for own in groups] == [
        "Children's",
        "Comedy",
        "Documentary",
        "Horror",
    ]


async def test_a_group_counts_its_items(service: Service) -> None:
    page = await service.features.ListAttributeGroups(feature_pb2.ListAttributeGroupsRequest())
    horror = page.attribute_groups[-1]
    catalogue = service.replica.current.snapshot.model("production").bundle.catalogue
    carrying = sum("Horror" in own.get("genre", ()) for own in catalogue.attributes)
    assert horror.item_count == carrying


async def test_the_weights_of_a_group_sum_to_one(service: Service) -> None:
    page = await service.features.ListAttributeGroups(feature_pb2.ListAttributeGroupsRequest())
    for group in page.attribute_groups:
        assert sum(own.weight for own in group.members) == pytest.approx(1)


async def test_features_of_an_unknown_model_are_not_found(service: Service) -> None:
    asked = feature_pb2.ListFeaturesRequest(model="nope")
    assert reason(await refusal(service.features.ListFeatures(asked))) == "MODEL_NOT_SERVED"


async def test_a_card_tells_what_doses_do(service: Service) -> None:
    asked = feature_pb2.GetFeatureRequest(feature_index=4)
    feature = (await service.features.GetFeature(asked)).feature
    (told,) = feature.effects
    measured = effect("Comedy")
    assert (told.operation, told.attribute.value) == (rule_pb2.OPERATION_ADD, "Comedy")
    assert [p.share_at_20.low for p in told.points] == [p.share_at_20.low for p in measured.points]
    assert told.saturation_strength == 1
    assert told.off_target[0].attribute.value == "Horror"


async def test_a_card_tells_how_its_label_came_about(service: Service) -> None:
    asked = feature_pb2.GetFeatureRequest(feature_index=4)
    evidence = (await service.features.GetFeature(asked)).feature.label_evidence
    assert evidence.source == feature_pb2.LABEL_SOURCE_ATTRIBUTE
    assert (evidence.attribute.value, evidence.value) == ("Comedy", 3)


async def test_lists_tell_effects_only_on_request(service: Service) -> None:
    for include, expected in ((False, 0), (True, 1)):
        asked = feature_pb2.ListFeaturesRequest(page_size=1, include_effects=include)
        searched = feature_pb2.SearchFeaturesRequest(query="horror", include_effects=include)
        grouped = feature_pb2.ListAttributeGroupsRequest(include_effects=include)
        assert len((await service.features.ListFeatures(asked)).features[0].effects) == expected
        assert (
            len((await service.features.SearchFeatures(searched)).features[0].effects) == expected
        )
        groups = (await service.features.ListAttributeGroups(grouped)).attribute_groups
        assert len(groups[0].effects) == expected


async def test_pages_with_effects_are_smaller(service: Service) -> None:
    asked = feature_pb2.ListFeaturesRequest(page_size=101, include_effects=True)
    assert fields(await refusal(service.features.ListFeatures(asked))) == ["page_size"]


async def test_a_group_is_given_with_its_effects(service: Service) -> None:
    horror = rule_pb2.Attribute(name="genre", value="Horror")
    asked = feature_pb2.GetAttributeGroupRequest(attribute=horror)
    group = (await service.features.GetAttributeGroup(asked)).attribute_group
    assert (group.attribute, group.effects[0].attribute) == (horror, horror)
    assert group.item_count > 0


async def test_a_group_that_was_not_measured_is_not_found(service: Service) -> None:
    western = rule_pb2.Attribute(name="genre", value="Western")
    asked = feature_pb2.GetAttributeGroupRequest(attribute=western)
    error = await refusal(service.features.GetAttributeGroup(asked))
    assert reason(error) == "GROUP_NOT_FOUND"
