"""Requests for load tests are the bundle's own: many users, many rule sets, nothing it lacks."""

import json

import numpy as np
import pytest
from steerrec.v1 import recommender_pb2, rule_pb2

from loadtest.errors import LoadRefused
from loadtest.requests import Wanted, as_ghz_data, frame, requests_of
from model_store.bundle import Bundle
from model_store.store import Store


@pytest.fixture(scope="module")
def bundle(tiny_store: Store) -> Bundle:
    """The tiny bundle, with groups and live features."""
    return tiny_store.load("production")


def made(bundle: Bundle, **wanted: object) -> list[recommender_pb2.RecommendRequest]:
    """The requests that are wanted."""
    return list(requests_of(bundle, Wanted(**wanted)))  # type: ignore[arg-type]


def test_as_many_are_made_as_are_wanted(bundle: Bundle) -> None:
    assert len(made(bundle, count=37)) == 37


def test_items_are_the_catalogues(bundle: Bundle) -> None:
    items = {item for request in made(bundle) for item in request.history}
    assert items <= set(bundle.catalogue.item_ids[1:])


def test_popular_items_come_more_often(bundle: Bundle) -> None:
    items = [item for request in made(bundle, count=2000) for item in request.history]
    counts = np.array([items.count(item) for item in bundle.catalogue.item_ids[1:]])
    popularity = bundle.catalogue.counts[1:] + 1.0
    expected = popularity / popularity.sum() * len(items)
    assert np.abs(counts - expected).max() < 6 * np.sqrt(expected.max())


def test_attributes_are_the_bundles_groups(bundle: Bundle) -> None:
    rules = [rule for request in made(bundle, n_rules=(2,)) for rule in request.rules]
    assert {(rule.attribute.name, rule.attribute.value) for rule in rules} <= set(bundle.groups)


def test_features_are_live(bundle: Bundle) -> None:
    rules = [rule for request in made(bundle, by="feature") for rule in request.rules]
    assert all(bundle.reference_activations[rule.feature_index] > 0 for rule in rules)


def test_numbers_of_rules_take_turns(bundle: Bundle) -> None:
    counts = [len(request.rules) for request in made(bundle, count=6, n_rules=(0, 1, 3))]
    assert counts == [0, 1, 3, 0, 1, 3]


def test_rules_of_one_request_have_targets_of_their_own(bundle: Bundle) -> None:
    for request in made(bundle, n_rules=(4,)):
        targets = {(rule.attribute.name, rule.attribute.value) for rule in request.rules}
        assert len(targets) == len(request.rules)


def test_requests_differ(bundle: Bundle) -> None:
    requests = {request.SerializeToString() for request in made(bundle, by="feature")}
    assert len(requests) == 512


def test_histories_are_repeated_as_often_as_wanted(bundle: Bundle) -> None:
    requests = made(bundle, count=1000, repeated_share=0.3)
    assert len({tuple(request.history) for request in requests}) == pytest.approx(700, abs=60)


def test_repeated_histories_are_as_recent_as_wanted(bundle: Bundle) -> None:
    requests = made(bundle, count=300, repeated_share=0.5, repeated_within=7)
    last: dict[tuple[str, ...], int] = {}
    for place, request in enumerate(requests):
        history = tuple(request.history)
        assert place - last.get(history, place) <= 7
        last[history] = place


def test_the_same_seed_makes_the_same_requests(bundle: Bundle) -> None:
    assert made(bundle, seed=3) == made(bundle, seed=3) != made(bundle, seed=4)


def test_operations_are_those_that_are_wanted(bundle: Bundle) -> None:
    rules = [r for request in made(bundle, operations=("ADD",)) for r in request.rules]
    assert {rule.operation for rule in rules} == {rule_pb2.OPERATION_ADD}


def test_ghz_data_are_an_array_with_a_request_a_line(bundle: Bundle) -> None:
    text = as_ghz_data(made(bundle, count=5))
    assert text[0] == "["
    assert len(json.loads(text)) == len(text.splitlines()) - 2 == 5


def test_a_bundle_without_groups_says_what_to_do(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = Bundle(
        manifest=bundle.manifest,
        catalogue=bundle.catalogue,
        cards=bundle.cards,
        groups={},
        graphs=bundle.graphs,
        W_dec=bundle.W_dec,
        reference_activations=bundle.reference_activations,
    )
    with pytest.raises(LoadRefused, match="--by feature"):
        made(bare)


def test_a_frame_tells_its_length() -> None:
    assert frame(b"abc") == b"\0\0\0\0\x03abc"
