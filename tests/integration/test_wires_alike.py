"""Every method of the contract, with a good and a bad request: alike at both wires of a replica.

What each replica makes up itself (ids, times, etags) is left out.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from steerrec.v1 import (
    decision_pb2,
    feature_pb2,
    model_pb2,
    preset_pb2,
    preview_pb2,
    recommender_pb2,
    rule_pb2,
)

from model_store.store import Store
from service.rpc.surface import SERVICES
from service.server import replica
from service.settings import load_settings
from tests.conformance.wire.raw import framed, head, raw
from tests.integration.asking import add, add_genre, preset, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = frozenset(
    (
        *("requestId", "request_id", "decisionId", "replicaId", "answeredBy"),
        *("etag", "auditSequence", "hash", "ageS", "decisions", "replicas"),
    )
)
"""Fields that each replica makes up, beside times and hashes."""
SIGNED: Any = {"author": "ann", "reason": "test"}
HORROR = add_genre("Horror", 0.5)
HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
GENRE = rule_pb2.Attribute(name="genre", value="Horror")
NO_GENRE = rule_pb2.Attribute(name="genre", value="Horor")
HISTORIES = preview_pb2.SuppliedHistories(
    histories=[preview_pb2.PreviewHistory(item_ids=["i3", "i7"])]
)
DRAFT = preset_pb2.Preset(name="draft", rules=[HORROR])
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?")
"""When each replica was asked, as messages of a lost race say it."""


class Told(NamedTuple):
    """What a client is told of one call."""

    code: grpc.StatusCode
    details: str
    keys: list[str]
    """Of the metadata, initial and trailing."""
    status: Any
    """The rich status."""
    replies: list[Any]


@dataclass(frozen=True)
class Wires:
    """Two replicas, which have had the same calls."""

    oracle: grpc.aio.Channel
    ours: grpc.aio.Channel
    addresses: list[str]
    """Of both, in this order."""

    def __iter__(self) -> Iterator[grpc.aio.Channel]:
        """Channels to both."""
        return iter((self.oracle, self.ours))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wires(
    tiny_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Wires]:
    """A replica with gRPC's own server and one with ours; each has the preset "scary"."""
    async with AsyncExitStack() as stack:
        channels, addresses = [], []
        for wire in ("grpcio", "own"):
            settings = load_settings(
                {},
                bind="127.0.0.1:0",
                metrics_bind="127.0.0.1:0",
                data_dir=tmp_path_factory.mktemp(wire),
                bundles=tiny_store.root,
                decision_log="redis",
                decision_sample_share=1,
                queue_wait_s=60,
                wire=wire,
            )
            own = await stack.enter_async_context(replica(settings))
            addresses.append(own.addresses.grpc)
            channel = grpc.aio.insecure_channel(own.addresses.grpc)
            channels.append(await stack.enter_async_context(channel))
            await told(channel, "PresetService/CreatePreset", created("scary"))
        yield Wires(channels[0], channels[1], addresses)


def created(name: str, *, value: float = 0.5) -> preset_pb2.CreatePresetRequest:
    """A request that stores a preset."""
    own = preset_pb2.Preset(name=name, rules=[add_genre("Horror", value)])
    return preset_pb2.CreatePresetRequest(preset=own, **SIGNED)


def path_of(method: str) -> str:
    """/package.Service/Method."""
    return f"/{method}" if method.startswith("grpc.") else f"/steerrec.v1.{method}"


async def told(channel: grpc.aio.Channel, method: str, *asked: Message | bytes) -> Told:
    """What a client is told who asks with these messages and takes any number of them."""
    path = path_of(method)

    async def supply() -> AsyncIterator[bytes]:
        for own in asked:
            yield own if isinstance(own, bytes) else own.SerializeToString()

    raw: Any = channel.stream_stream(path)
    call, replies = raw(supply(), timeout=30), []
    with suppress(grpc.aio.AioRpcError):  # the call itself knows
        while (reply := await call.read()) is not grpc.aio.EOF:
            replies.append(scrubbed(plain(path, reply)))
    trailing = dict(await call.trailing_metadata() or ())
    keys = [key for key, _ in await call.initial_metadata() or ()] + [*trailing]
    rich = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    return Told(
        await call.code(),
        scrubbed(str(await call.details())),
        keys,
        scrubbed(MessageToDict(rich)),
        replies,
    )


def plain(path: str, reply: bytes) -> Any:
    """A reply of a method, as plain values."""
    service, _, name = path[1:].partition("/")
    pool = descriptor_pool.Default()
    method = pool.FindServiceByName(service).methods_by_name[name]
    return MessageToDict(GetMessageClass(method.output_type).FromString(reply))


def scrubbed(value: Any) -> Any:
    """Without what each replica makes up."""
    if isinstance(value, str):
        return TIME.sub("a time", value)
    if isinstance(value, dict):
        return {
            key: "own" if key in OWN or key.endswith(("Time", "Hash")) else scrubbed(own)
            for key, own in value.items()
        }
    return [scrubbed(own) for own in value] if isinstance(value, list) else value


async def alike(wires: Wires, method: str, *asked: Message | bytes) -> Told:
    """What both tell; fails where they differ."""
    expected = await told(wires.oracle, method, *asked)
    own = await told(wires.ours, method, *asked)
    assert own == expected
    return expected


async def etag(channel: grpc.aio.Channel, name: str) -> str:
    """Of a preset."""
    method: Any = channel.unary_unary(path_of("PresetService/GetPreset"))
    reply = await method(preset_pb2.GetPresetRequest(name=name).SerializeToString())
    return str(preset_pb2.GetPresetResponse.FromString(reply).preset.etag)


GOOD: list[tuple[str, Message]] = [
    ("RecommenderService/Recommend", request()),
    ("RecommenderService/Recommend", request(add(), request_id="mine")),
    ("RecommenderService/Recommend", request(presets=[preset("scary")])),
    ("RecommenderService/Recommend", request(view=recommender_pb2.VIEW_FULL)),
    ("RecommenderService/Recommend", request(history=())),
    ("RecommenderService/Recommend", recommender_pb2.RecommendRequest()),
    (
        "RecommenderService/BatchRecommend",
        recommender_pb2.BatchRecommendRequest(requests=[request(), request(k=0), request(add())]),
    ),
    ("PresetService/CreatePreset", created("another")),
    ("PresetService/GetPreset", preset_pb2.GetPresetRequest(name="scary")),
    ("PresetService/ListPresets", preset_pb2.ListPresetsRequest()),
    ("PresetService/ListPresetRevisions", preset_pb2.ListPresetRevisionsRequest(name="scary")),
    ("PresetService/GetStatus", preset_pb2.GetStatusRequest(name="scary")),
    ("PresetService/ListAuditEvents", preset_pb2.ListAuditEventsRequest()),
    ("FeatureService/GetFeature", feature_pb2.GetFeatureRequest(feature_index=1)),
    ("FeatureService/ListFeatures", feature_pb2.ListFeaturesRequest()),
    ("FeatureService/SearchFeatures", feature_pb2.SearchFeaturesRequest(query="horror")),
    ("FeatureService/ListAttributeGroups", feature_pb2.ListAttributeGroupsRequest()),
    (
        "FeatureService/GetAttributeGroup",
        feature_pb2.GetAttributeGroupRequest(attribute=GENRE),
    ),
    ("ModelService/ListModels", model_pb2.ListModelsRequest()),
    ("ModelService/GetServedModel", model_pb2.GetServedModelRequest()),
    (
        "PreviewService/PreviewPreset",
        preview_pb2.PreviewPresetRequest(draft=DRAFT, supplied=HISTORIES, k=10),
    ),
    (f"{HEALTH}/Check", health_pb2.HealthCheckRequest()),
    (f"{HEALTH}/Check", health_pb2.HealthCheckRequest(service=SERVICES[0])),
    (
        f"{REFLECTION}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest(list_services=""),
    ),
    (
        f"{REFLECTION}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICES[0]),
    ),
    (
        f"{REFLECTION}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest(file_by_filename="steerrec/v1/rule.proto"),
    ),
    (
        f"{REFLECTION}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest(file_by_filename="nope.proto"),
    ),
]
"""Requests that are answered."""

BAD: list[tuple[str, Message, grpc.StatusCode]] = [
    ("RecommenderService/Recommend", request(k=0), grpc.StatusCode.INVALID_ARGUMENT),
    ("RecommenderService/Recommend", request(add(32)), grpc.StatusCode.INVALID_ARGUMENT),
    ("RecommenderService/Recommend", request(model="nope"), grpc.StatusCode.NOT_FOUND),
    (
        "RecommenderService/Recommend",
        request(presets=[preset("gr\u00fc\u00dfe")]),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "RecommenderService/Recommend",
        request(add_genre("日本 100 %", 1), request_id="gr\u00fc\u00dfe"),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "RecommenderService/BatchRecommend",
        recommender_pb2.BatchRecommendRequest(),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "RecommenderService/StreamRecommend",
        recommender_pb2.StreamRecommendRequest(),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    ("PresetService/CreatePreset", created(""), grpc.StatusCode.INVALID_ARGUMENT),
    ("PresetService/CreatePreset", created("scary"), grpc.StatusCode.ALREADY_EXISTS),
    (
        "PresetService/GetPreset",
        preset_pb2.GetPresetRequest(name="nope"),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "PresetService/ListPresets",
        preset_pb2.ListPresetsRequest(page_token="x"),  # noqa: S106
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "PresetService/UpdatePreset",
        preset_pb2.UpdatePresetRequest(
            preset=preset_pb2.Preset(name="scary", etag="x", rules=[HORROR]), **SIGNED
        ),
        grpc.StatusCode.ABORTED,
    ),
    (
        "PresetService/DeletePreset",
        preset_pb2.DeletePresetRequest(name="scary", etag="x", **SIGNED),
        grpc.StatusCode.ABORTED,
    ),
    (
        "PresetService/PublishPreset",
        preset_pb2.PublishPresetRequest(name="nope", revision=1, etag="x", **SIGNED),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "PresetService/RollbackPreset",
        preset_pb2.RollbackPresetRequest(name="nope", revision=1, etag="x", **SIGNED),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "PresetService/ListPresetRevisions",
        preset_pb2.ListPresetRevisionsRequest(name="nope"),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "PresetService/DiffPreset",
        preset_pb2.DiffPresetRequest(name="scary", from_revision=1, to_revision=9),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "PresetService/ListAuditEvents",
        preset_pb2.ListAuditEventsRequest(page_size=-1),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "PresetService/ResolveStoreLoss",
        preset_pb2.ResolveStoreLossRequest(),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "FeatureService/GetFeature",
        feature_pb2.GetFeatureRequest(feature_index=99),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "FeatureService/ListFeatures",
        feature_pb2.ListFeaturesRequest(page_size=-1),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "FeatureService/SearchFeatures",
        feature_pb2.SearchFeaturesRequest(),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "FeatureService/ListAttributeGroups",
        feature_pb2.ListAttributeGroupsRequest(model="nope"),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "FeatureService/GetAttributeGroup",
        feature_pb2.GetAttributeGroupRequest(attribute=NO_GENRE),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "ModelService/ListModels",
        model_pb2.ListModelsRequest(page_size=-1),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "ModelService/GetServedModel",
        model_pb2.GetServedModelRequest(model="nope"),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "PreviewService/PreviewPreset",
        preview_pb2.PreviewPresetRequest(),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "DecisionService/GetDecision",
        decision_pb2.GetDecisionRequest(decision_id="nope"),
        grpc.StatusCode.NOT_FOUND,
    ),
    (
        "DecisionService/ListDecisions",
        decision_pb2.ListDecisionsRequest(page_size=-1),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    (
        "DecisionService/ReplayDecision",
        decision_pb2.ReplayDecisionRequest(decision_id="nope"),
        grpc.StatusCode.NOT_FOUND,
    ),
    (f"{HEALTH}/Check", health_pb2.HealthCheckRequest(service="x"), grpc.StatusCode.NOT_FOUND),
]
"""Requests that are refused, and how."""
ASKED = {method for method, _ in GOOD} | {method for method, _, _ in BAD}
METHODS = sorted(own for own in ASKED if not own.startswith("grpc."))
"""All of our own."""


def method_of(case: Any) -> str | None:
    """Names a case after its method."""
    return case if isinstance(case, str) else None


@pytest.mark.parametrize(("method", "asked"), GOOD, ids=method_of)
async def test_a_good_request_is_answered_alike(wires: Wires, method: str, asked: Message) -> None:
    got = await alike(wires, method, asked)
    assert (got.code, len(got.replies) > 0) == (grpc.StatusCode.OK, True)


@pytest.mark.parametrize(("method", "asked", "code"), BAD, ids=method_of)
async def test_a_bad_request_is_refused_alike(
    wires: Wires, method: str, asked: Message, code: grpc.StatusCode
) -> None:
    assert (await alike(wires, method, asked)).code is code


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message_are_refused_alike(wires: Wires, method: str) -> None:
    got = await alike(wires, method, b"\xff\xff")
    assert got.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", METHODS)
async def test_an_empty_message_ends_alike(wires: Wires, method: str) -> None:
    await alike(wires, method, b"")


async def test_every_method_of_the_contract_is_asked() -> None:
    pool = descriptor_pool.Default()
    contract = {
        f"{service.rpartition('.')[2]}/{method.name}"
        for service in SERVICES
        for method in pool.FindServiceByName(service).methods
    }
    assert contract == set(METHODS)


async def test_a_stream_of_requests_is_answered_alike(wires: Wires) -> None:
    messages = [
        recommender_pb2.StreamRecommendRequest(requests=[request(k=k), request(k=0)])
        for k in (1, 2, 3)
    ]
    results = []
    for channel in wires:
        got = await told(channel, "RecommenderService/StreamRecommend", *messages)
        found = [result for reply in got.replies for result in reply["results"]]
        results.append(
            (got.code, got.keys, sorted(found, key=lambda own: int(own.get("number", 0))))
        )
    assert results[0] == results[1]
    assert len(results[0][2]) == 6


async def test_what_changes_a_preset_is_answered_alike(wires: Wires) -> None:
    ends = []
    for channel in wires:
        own = preset_pb2.Preset(
            name="scary", rules=[add_genre("Horror", 1)], etag=await etag(channel, "scary")
        )
        changed = preset_pb2.UpdatePresetRequest(preset=own, as_draft=True, **SIGNED)
        steps = [await told(channel, "PresetService/UpdatePreset", changed)]
        tag = await etag(channel, "scary")
        publish = preset_pb2.PublishPresetRequest(name="scary", revision=2, etag=tag, **SIGNED)
        steps.append(await told(channel, "PresetService/PublishPreset", publish))
        diff = preset_pb2.DiffPresetRequest(name="scary", from_revision=1, to_revision=2)
        steps.append(await told(channel, "PresetService/DiffPreset", diff))
        tag = await etag(channel, "scary")
        back = preset_pb2.RollbackPresetRequest(name="scary", revision=1, etag=tag, **SIGNED)
        steps.append(await told(channel, "PresetService/RollbackPreset", back))
        tag = await etag(channel, "another")
        delete = preset_pb2.DeletePresetRequest(name="another", etag=tag, **SIGNED)
        steps.append(await told(channel, "PresetService/DeletePreset", delete))
        ends.append(steps)
    assert ends[0] == ends[1]
    assert {step.code for step in ends[0]} == {grpc.StatusCode.OK}


async def recorded(channel: grpc.aio.Channel) -> str:
    """Id of a decision, once the log has one."""
    method: Any = channel.unary_unary(path_of("DecisionService/ListDecisions"))
    while True:
        reply = decision_pb2.ListDecisionsResponse.FromString(await method(b""))
        if reply.decisions:
            return str(reply.decisions[-1].decision_id)
        await asyncio.sleep(0.02)


async def test_a_decision_is_read_and_replayed_alike(wires: Wires) -> None:
    ends = []
    for channel in wires:
        await told(channel, "RecommenderService/Recommend", request(add()))
        own = await recorded(channel)
        get = decision_pb2.GetDecisionRequest(decision_id=own)
        replay = decision_pb2.ReplayDecisionRequest(decision_id=own)
        ends.append(
            (
                await told(channel, "DecisionService/ListDecisions", b""),
                (await told(channel, "DecisionService/GetDecision", get)).code,
                (await told(channel, "DecisionService/ReplayDecision", replay)).code,
            )
        )
    assert ends[0] == ends[1]
    assert ends[0][1:] == (grpc.StatusCode.OK, grpc.StatusCode.OK)


async def test_a_watch_of_health_is_told_alike(wires: Wires) -> None:
    firsts = []
    for channel in wires:
        watch: Any = channel.unary_stream(f"/{HEALTH}/Watch")
        for name in ("", "model", "nope"):
            asked = health_pb2.HealthCheckRequest(service=name)
            call = watch(asked.SerializeToString())
            firsts.append(health_pb2.HealthCheckResponse.FromString(await call.read()).status)
            call.cancel()
    assert firsts[:3] == firsts[3:]


@pytest.mark.parametrize(
    "compression", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=lambda own: own.name
)
async def test_a_compressed_request_is_answered_alike(
    wires: Wires, compression: grpc.Compression
) -> None:
    replies = []
    asked = request(history=["i3", "i7"] * 1000, request_id="mine").SerializeToString()
    for channel in wires:
        method: Any = channel.unary_unary(path_of("RecommenderService/Recommend"))
        reply = await method(asked, compression=compression)
        replies.append(scrubbed(plain(path_of("RecommenderService/Recommend"), reply)))
    assert replies[0] == replies[1]


async def recommended(channel: grpc.aio.Channel, asked: bytes, **options: Any) -> object:
    """How one call of Recommend ends, as a stock client makes it."""
    method: Any = channel.unary_unary(path_of("RecommenderService/Recommend"))
    call = method(asked, **options)
    trailing = dict(await call.trailing_metadata() or ())
    return await call.code(), await call.details(), sorted(trailing)


async def test_a_request_larger_than_a_message_may_be_is_refused_alike(wires: Wires) -> None:
    asked = bytes(20 * 2**20)
    ends = [await recommended(channel, asked) for channel in wires]
    assert ends[0] == ends[1]


async def test_a_request_too_large_once_decompressed_is_refused_alike(wires: Wires) -> None:
    asked = (bytes(500) + b"few") * 40_000
    ends = [
        await recommended(channel, asked, compression=grpc.Compression.Gzip) for channel in wires
    ]
    assert ends[0] == ends[1]


async def test_a_large_request_is_answered_alike(wires: Wires) -> None:
    large = recommender_pb2.RecommendRequest(history=["i3"] * 9000 + ["x" * 200] * 900)
    ends = [await recommended(channel, large.SerializeToString()) for channel in wires]
    assert ends[0] == ends[1]


async def test_a_deadline_that_is_over_is_told_by_ours(wires: Wires) -> None:
    fields = head(("grpc-timeout", "1n"), __path=path_of("RecommenderService/Recommend"))
    # gRPC's own answers, refuses or resets such a call, as it happens
    async with raw(wires.addresses[1]) as client:
        reply = await client.asked(fields, framed(request().SerializeToString()))
    assert reply.status == "4"


@pytest.mark.parametrize("size", [1000, 30_000])
async def test_metadata_large_and_too_large_end_a_call_alike(wires: Wires, size: int) -> None:
    asked = request().SerializeToString()
    metadata = (("long", "x" * size), ("some-bin", b"\x00\xff"))
    codes = []
    for channel in wires:
        method: Any = channel.unary_unary(path_of("RecommenderService/Recommend"))
        codes.append(await method(asked, metadata=metadata).code())
    assert codes[0] == codes[1]


async def test_a_cancelled_call_leaves_the_connection_to_others_alike(wires: Wires) -> None:
    asked = request().SerializeToString()
    ends = []
    for channel in wires:
        method: Any = channel.unary_unary(path_of("RecommenderService/Recommend"))
        calls = [method(asked) for _ in range(50)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        ends.append([await call.code() for call in calls[1::2]])
    assert ends[0] == ends[1] == [grpc.StatusCode.OK] * 25


async def test_calls_side_by_side_get_what_each_gets_alone(wires: Wires) -> None:
    method: Any = wires.ours.unary_unary(path_of("RecommenderService/Recommend"))
    asked = [
        request(k=1 + number % 40, request_id="same").SerializeToString() for number in range(200)
    ]
    together = await asyncio.gather(*map(method, asked))
    path = path_of("RecommenderService/Recommend")
    counts = [len(plain(path, reply)["items"]) for reply in together]
    assert counts == [1 + number % 40 for number in range(200)]
