"""Bundles while the service runs: swapped live, refused by name, presets checked anew."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from steerrec.v1 import model_pb2, recommender_pb2

from model_store.errors import BundleCorrupt, BundleMissing
from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.integration.asking import (
    add,
    add_genre,
    fields,
    ids,
    preset,
    reason,
    reasons,
    refusal,
    request,
    statuses,
)
from tests.integration.conftest import Service, Start
from tests.integration.test_service_presets import create
from tests.tiny_model import TinyModel

SKIP = recommender_pb2.ON_UNKNOWN_PRESET_SKIP


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of this test alone: `one` in production, `two` published."""
    store = Store(str(tmp_path / "store"))
    for version, seed in (("one", 0), ("two", 1)):
        folder = tmp_path / version
        store.publish(folder, tiny_bundle(folder, TinyModel(seed=seed), version=version))
    store.promote("production", "one")
    return store


@pytest_asyncio.fixture
async def service(start: Start, store: Store) -> AsyncIterator[Service]:
    async with start(bundles=store.root) as running:
        yield running


def spoil(store: Store, version: str) -> None:
    """Alters a published file, so that the bundle no longer verifies."""
    path = Path(store.root) / "bundles" / version / "feature_cards.json"
    path.write_bytes(path.read_bytes() + b" ")


async def answered_by(service: Service, model: str = "") -> str:
    return (await service.recommender.Recommend(request(model=model))).model_version


def sample(service: Service, name: str, **labels: str) -> float | None:
    return service.replica.metrics.registry.get_sample_value(name, labels)


async def test_a_promoted_bundle_is_served_live(service: Service, store: Store) -> None:
    store.promote("production", "two")
    await service.replica.models.refresh()
    assert await answered_by(service) == "two"


async def test_labels_are_followed_without_being_asked(start: Start, store: Store) -> None:
    async with start(bundles=store.root, label_poll_s=0.05) as service:
        store.promote("production", "two")
        for _ in range(200):
            if await answered_by(service) == "two":
                break
        assert await answered_by(service) == "two"


async def test_every_answer_under_swaps_is_wholly_of_the_version_it_names(
    service: Service, store: Store
) -> None:
    lists = {}
    for version in ("one", "two"):
        store.promote("production", version)
        await service.replica.models.refresh()
        lists[version] = ids(await service.recommender.Recommend(request()))

    async def swap() -> None:
        for version in ("one", "two") * 3:
            store.promote("production", version)
            await service.replica.models.refresh()

    swapping = asyncio.create_task(swap())
    answers = []
    while not swapping.done():
        answers += await asyncio.gather(*(service.recommender.Recommend(request()) for _ in "1234"))
    assert {own.model_version for own in answers} == {"one", "two"}
    assert all(ids(own) == lists[own.model_version] for own in answers)


async def test_a_canary_is_served_beside_production(service: Service, store: Store) -> None:
    store.promote("canary", "two")
    await service.replica.models.refresh()
    assert [await answered_by(service, label) for label in ("production", "canary")] == [
        "one",
        "two",
    ]


async def test_what_no_label_points_to_is_no_longer_served(service: Service, store: Store) -> None:
    store.promote("production", "two")
    await service.replica.models.refresh()
    error = await refusal(service.recommender.Recommend(request(model="one")))
    assert error.code() is grpc.StatusCode.NOT_FOUND


async def test_a_bad_bundle_never_replaces_a_good_one(service: Service, store: Store) -> None:
    store.promote("production", "two")
    spoil(store, "two")
    await service.replica.models.refresh()
    assert await answered_by(service) == "one"


async def test_a_bad_bundle_is_counted_once(service: Service, store: Store) -> None:
    store.promote("production", "two")
    spoil(store, "two")
    await service.replica.models.refresh()
    await service.replica.models.refresh()
    assert sample(service, "steerrec_bundle_refusals_total") == 1


async def test_the_metrics_name_what_is_served(service: Service, store: Store) -> None:
    store.promote("production", "two")
    await service.replica.models.refresh()
    served = [
        sample(service, "steerrec_model_info", label="production", version=version)
        for version in ("one", "two")
    ]
    assert served == [None, 1]


async def test_a_store_without_production_stops_the_start(start: Start, tmp_path: Path) -> None:
    with pytest.raises(BundleMissing):
        async with start(bundles=str(tmp_path / "empty")):
            pass


async def test_a_bad_production_bundle_stops_the_start(start: Start, store: Store) -> None:
    spoil(store, "one")
    with pytest.raises(BundleCorrupt, match=r"feature_cards\.json"):
        async with start(bundles=store.root):
            pass


async def test_a_bad_canary_does_not_stop_the_start(start: Start, store: Store) -> None:
    store.promote("canary", "two")
    spoil(store, "two")
    async with start(bundles=store.root) as service:
        assert await answered_by(service) == "one"


async def swapped_under_a_preset(service: Service, store: Store) -> None:
    """A preset on a feature of `one`; then `two`, of another feature space, is served."""
    await create(service, "bound", add(0), add_genre("Horror", 0.1))
    store.promote("production", "two")
    await service.replica.models.refresh()


async def test_a_preset_of_another_feature_space_is_refused(service: Service, store: Store) -> None:
    await swapped_under_a_preset(service, store)
    error = await refusal(service.recommender.Recommend(request(presets=[preset("bound")])))
    assert (error.code(), reason(error), fields(error)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "PRESET_NOT_HONOURED",
        ["presets[0]"],
    )


async def test_a_preset_of_another_feature_space_can_be_skipped(
    service: Service, store: Store
) -> None:
    await swapped_under_a_preset(service, store)
    asked = request(presets=[preset("bound")], on_unknown_preset=SKIP)
    response = await service.recommender.Recommend(asked)
    assert (reasons(response), statuses(response)) == (
        ["PRESET_SKIPPED"],
        ["UNKNOWN_FEATURE", "UNKNOWN_FEATURE"],
    )


async def test_a_refused_preset_is_counted(service: Service, store: Store) -> None:
    await swapped_under_a_preset(service, store)
    assert sample(service, "steerrec_preset_refusals_total") == 1


async def test_a_preset_of_attributes_survives_another_feature_space(
    service: Service, store: Store
) -> None:
    await create(service, "free", add_genre("Horror", 0.1))
    store.promote("production", "two")
    await service.replica.models.refresh()
    response = await service.recommender.Recommend(request(presets=[preset("free")]))
    assert statuses(response) == ["APPLIED"]


async def test_published_models_are_listed_with_their_labels(service: Service) -> None:
    models = (await service.models.ListModels(model_pb2.ListModelsRequest())).models
    assert {own.version: list(own.labels) for own in models} == {"one": ["production"], "two": []}


async def test_models_are_listed_a_page_at_a_time(service: Service) -> None:
    first = await service.models.ListModels(model_pb2.ListModelsRequest(page_size=1))
    second = await service.models.ListModels(
        model_pb2.ListModelsRequest(page_size=1, page_token=first.next_page_token)
    )
    listed = [own.version for page in (first, second) for own in page.models]
    assert (sorted(listed), second.next_page_token) == (["one", "two"], "")


async def test_the_served_model_is_told(service: Service) -> None:
    asked = model_pb2.GetServedModelRequest()
    model = (await service.models.GetServedModel(asked)).model
    assert (model.version, list(model.labels), model.d_sae) == ("one", ["production"], 32)


async def test_a_published_model_that_is_not_served_is_not_found(service: Service) -> None:
    asked = model_pb2.GetServedModelRequest(model="two")
    error = await refusal(service.models.GetServedModel(asked))
    assert reason(error) == "MODEL_NOT_SERVED"
