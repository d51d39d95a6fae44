"""Labels, bundles and stores that go away or heal while the service runs."""

import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from steerrec.v1 import model_pb2

from model_store.errors import StoreUnreadable
from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.integration.asking import reason, refusal
from tests.integration.conftest import Service, Start
from tests.integration.test_service_models import answered_by, sample
from tests.permissions import permissions_hold
from tests.tiny_model import TinyModel

LONG = 3600.0


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
    """Looks at the labels only when it is asked to."""
    async with start(bundles=store.root, label_poll_s=LONG) as running:
        yield running


@pytest_asyncio.fixture
async def bounded(start: Start, store: Store) -> AsyncIterator[Service]:
    """The same, bound by permissions."""
    with permissions_hold():
        async with start(bundles=store.root, label_poll_s=LONG) as running:
            yield running


def label(store: Store, name: str = "production") -> Path:
    return Path(store.root, "labels", f"{name}.json")


async def looked(service: Service, times: int = 1) -> None:
    for _ in range(times):
        await service.replica.models.refresh()


def followed(service: Service, name: str = "production") -> float | None:
    return sample(service, "steerrec_label_followed", label=name)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of labels."""
    return [own.getMessage() for own in caplog.records if own.name == "service.labels"]


async def test_a_label_that_is_served_is_followed(service: Service) -> None:
    assert followed(service) == 1


async def test_a_file_that_comes_late_heals_the_bundle(service: Service, store: Store) -> None:
    late = Path(store.root, "bundles/two/upper.onnx")
    store.promote("production", "two")
    late.rename(late.parents[2] / "late")
    await looked(service)
    (late.parents[2] / "late").rename(late)
    await looked(service)
    assert (await answered_by(service), followed(service)) == ("two", 1)


async def test_a_bundle_that_is_copied_after_its_label_is_served(
    service: Service, store: Store, tmp_path: Path
) -> None:
    store.promote("production", "two")
    two = Path(store.root, "bundles/two")
    two.rename(tmp_path / "away")
    await looked(service)
    shutil.copytree(tmp_path / "away", two)
    await looked(service)
    assert await answered_by(service) == "two"


async def test_a_right_that_is_given_late_heals_the_bundle(bounded: Service, store: Store) -> None:
    store.promote("production", "two")
    file = Path(store.root, "bundles/two/upper.onnx")
    file.chmod(0)
    await looked(bounded)
    assert followed(bounded) == 0
    file.chmod(0o600)
    await looked(bounded)
    assert await answered_by(bounded) == "two"


async def test_a_refusal_is_told_once(
    service: Service, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.promote("production", "two")
    Path(store.root, "bundles/two/upper.onnx").unlink()
    await looked(service, 3)
    (line,) = lines(caplog)
    assert "bundle two is refused: upper.onnx: the manifest lists it, the folder lacks it" in line


async def test_a_refused_bundle_is_told_again_where_the_reason_is_another(
    service: Service, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.promote("production", "two")
    file = Path(store.root, "bundles/two/upper.onnx")
    file.unlink()
    await looked(service)
    file.write_bytes(b"part")
    await looked(service)
    assert "4 bytes, the manifest says" in lines(caplog)[1]


@pytest.mark.parametrize("garbage", ["", "{", '{"version": 7}'])
async def test_a_label_of_garbage_is_told_and_what_is_served_stays(
    service: Service, store: Store, caplog: pytest.LogCaptureFixture, garbage: str
) -> None:
    label(store).write_text(garbage)
    await looked(service, 3)
    assert (await answered_by(service), followed(service), len(lines(caplog))) == ("one", 0, 1)


async def test_a_canary_of_garbage_keeps_production_from_nothing(
    service: Service, store: Store
) -> None:
    store.promote("canary", "one")
    await looked(service)
    label(store, "canary").write_text("{")
    store.promote("production", "two")
    await looked(service)
    assert [await answered_by(service, own) for own in ("production", "canary")] == ["two", "one"]


async def test_a_label_that_is_gone_is_told_and_what_is_served_stays(
    service: Service, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    label(store).unlink()
    await looked(service, 3)
    assert (await answered_by(service), followed(service)) == ("one", 0)
    assert [" no longer has the label production" in line for line in lines(caplog)] == [True]


@pytest.mark.parametrize("is_mount_point_left", [False, True])
async def test_a_store_that_is_gone_takes_no_label_with_it(
    service: Service, store: Store, tmp_path: Path, is_mount_point_left: bool
) -> None:
    store.promote("canary", "two")
    await looked(service)
    Path(store.root).rename(tmp_path / "unmounted")
    if is_mount_point_left:
        Path(store.root).mkdir()
    await looked(service)
    assert [await answered_by(service, own) for own in ("production", "canary")] == ["one", "two"]
    assert [followed(service, own) for own in ("production", "canary")] == [0, 0]


async def test_a_store_that_is_gone_is_told_once_for_all_labels(
    service: Service, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.promote("canary", "two")
    await looked(service)
    Path(store.root).rename(tmp_path / "unmounted")
    await looked(service, 3)
    (line,) = lines(caplog)
    assert line.startswith("canary, production cannot be followed, what is served stays: model ")


async def test_a_store_that_is_back_is_told(
    service: Service, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path(store.root).rename(tmp_path / "unmounted")
    await looked(service)
    (tmp_path / "unmounted").rename(store.root)
    with caplog.at_level(logging.INFO):
        await looked(service)
    assert (lines(caplog)[1:], followed(service)) == (["production can be followed again"], 1)


async def test_a_store_that_may_no_longer_be_read_is_told_with_its_path(
    bounded: Service, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    Path(store.root, "labels").chmod(0)
    await looked(bounded)
    Path(store.root, "labels").chmod(0o700)
    assert f"{label(store)} cannot be read: permission denied" in lines(caplog)[0]


async def test_a_served_bundle_that_is_gone_from_the_store_is_told(
    service: Service, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(Path(store.root, "bundles/one"))
    await looked(service)
    assert (await answered_by(service), followed(service)) == ("one", 0)
    assert "no longer has bundle one" in lines(caplog)[0]


async def test_a_canary_that_was_taken_away_is_no_longer_served(
    service: Service, store: Store
) -> None:
    store.promote("canary", "two")
    await looked(service)
    label(store, "canary").unlink()
    await looked(service)
    assert (sorted(service.replica.current.snapshot.labels), followed(service, "canary")) == (
        ["production"],
        None,
    )


async def test_an_unreadable_store_stops_the_start_with_its_path(
    start: Start, store: Store
) -> None:
    Path(store.root, "bundles/one").chmod(0)
    with permissions_hold(), pytest.raises(StoreUnreadable, match="bundles/one/manifest"):
        async with start(bundles=store.root):
            pass
    Path(store.root, "bundles/one").chmod(0o700)


async def test_a_list_of_an_unreadable_store_can_be_asked_for_again(
    bounded: Service, store: Store
) -> None:
    Path(store.root, "bundles").chmod(0)
    error = await refusal(bounded.models.ListModels(model_pb2.ListModelsRequest()))
    Path(store.root, "bundles").chmod(0o700)
    assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "MODEL_STORE_AWAY")


async def test_a_list_leaves_out_what_cannot_be_read(bounded: Service, store: Store) -> None:
    Path(store.root, "bundles/two").chmod(0)
    listed = (await bounded.models.ListModels(model_pb2.ListModelsRequest())).models
    Path(store.root, "bundles/two").chmod(0o700)
    assert [own.version for own in listed] == ["one"]


async def test_the_served_model_tells_which_labels_are_not_followed(
    service: Service, store: Store
) -> None:
    label(store).unlink()
    await looked(service)
    reply = await service.models.GetServedModel(model_pb2.GetServedModelRequest())
    assert list(reply.label_faults) == ["production"]
