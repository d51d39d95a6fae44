"""Arbitrary messages of the contract, and a replica in a thread for tests that are not async."""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from model_store.store import Store
from service.server import replica
from service.settings import Settings, load_settings
from tests.fuzzed_conditions import EXPRESSIONS, JSON

Kind = TypeVar("Kind", bound=Message)
NAMES = ("a", "b", "scary", "no-such")
"""Of presets; few, so that calls meet."""
MAX_REPEATED = 3
MAX_DEPTH = 5


@st.composite
def contexts(draw: st.DrawFn) -> struct_pb2.Struct:
    """A context of any JSON."""
    struct = struct_pb2.Struct()
    content = st.dictionaries(
        st.sampled_from(("a", "b", "user_id", "")) | st.text(max_size=4), JSON
    )
    struct.update(draw(content))
    return struct


WHOLE = st.integers(-3, 25) | st.integers(-(2**31), 2**31 - 1)
REAL = st.sampled_from((0.0, 0.5, 1.0, -1.0, 2.0, 25.0)) | st.floats()
TEXT = st.sampled_from(("", "a", "genre", "Horror", "\u202e", "\x00\x1b[31m")) | st.text(max_size=8)
BY_TYPE: dict[int, st.SearchStrategy[object]] = {
    FieldDescriptor.TYPE_DOUBLE: REAL,
    FieldDescriptor.TYPE_FLOAT: REAL,
    FieldDescriptor.TYPE_INT32: WHOLE,
    FieldDescriptor.TYPE_INT64: WHOLE | st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_ENUM: st.integers(-1, 9),
}
NAME = st.sampled_from(NAMES) | TEXT
BY_NAME: Mapping[str, st.SearchStrategy[object]] = {
    "name": NAME,
    "author": st.sampled_from(("ann", "", "x" * 101)) | TEXT,
    "reason": st.sampled_from(("test", "", "x" * 501)) | TEXT,
    "condition": st.sampled_from(("", "context.a == 1.0", "has(context.b)")) | EXPRESSIONS,
    "history": st.sampled_from(("i1", "i3", "i7", "nope", "")),
    "item_ids": st.sampled_from(("i1", "i3", "i7", "nope", "")),
    "time_zone": st.sampled_from(("Europe/Berlin", "UTC", "../x", "nope", "\x00")),
    "model": st.sampled_from(("", "production", "tiny-1", "nope", "\x00")),
    "feature_space": st.sampled_from(("", "0" * 16)) | TEXT,
    "paths": st.sampled_from(("rules", "description", "targeting", "feature_space", "*", "name")),
    "exclusivity_group": st.sampled_from(("", "mood", "Mood")),
    "context_key": st.sampled_from(("user_id", "", "a")) | TEXT,
}
"""What fields of a name hold, so that many messages are nearly right."""
BY_FIELD: Mapping[str, st.SearchStrategy[object]] = {
    "steerrec.v1.Attribute.name": st.sampled_from(("genre", "genre", "year", "")) | TEXT,
    "steerrec.v1.Attribute.value": st.sampled_from(("Horror", "Comedy", "Horor", "")) | TEXT,
    "steerrec.v1.PreviewPresetRequest.k": st.sampled_from((0, 1, 10, -1, 1001)),
}


def fields_of(field: FieldDescriptor, depth: int) -> st.SearchStrategy[object]:
    """Values of one entry of a field."""
    if field.message_type is not None:
        return messages_of(field.message_type, depth - 1)
    by_type = BY_TYPE[field.type]
    return BY_FIELD.get(field.full_name, BY_NAME.get(field.name, by_type))


@st.composite
def _drawn(draw: st.DrawFn, kind: Descriptor, depth: int) -> Message:
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if (field.message_type is not None and depth <= 0) or not draw(st.integers(0, 2)):
            continue
        if field.is_repeated:
            entries = draw(st.lists(fields_of(field, depth), max_size=MAX_REPEATED))
            getattr(message, field.name).extend(entries)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(fields_of(field, depth)))
        else:
            setattr(message, field.name, draw(fields_of(field, depth)))
    return message


def messages_of(kind: Descriptor, depth: int = MAX_DEPTH) -> st.SearchStrategy[object]:
    """Messages of a kind: every field absent, nearly right or anything."""
    return contexts() if kind.full_name == "google.protobuf.Struct" else _drawn(kind, depth)


def settings_of(store: Store, folder: Path, **fields: Any) -> Settings:
    """Of a replica that keeps its data in the folder, and every decision; fields by name."""
    own = {
        "bind": "127.0.0.1:0",
        "metrics_bind": "127.0.0.1:0",
        "data_dir": folder,
        "bundles": store.root,
        "drain_timeout_s": 5,
        "decision_log": "redis",
        "decision_sample_share": 1.0,
    }
    return load_settings({}, **(own | fields))


@contextmanager
def running(settings: Settings) -> Iterator[grpc.Channel]:
    """A channel to a replica with these settings, which runs in a thread of its own."""
    address: Future[str] = Future()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with replica(settings) as own:
            address.set_result(own.addresses.grpc)
            await ended.wait()

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(loop.run_until_complete, run())
        done.add_done_callback(lambda _: address.cancel())
        try:
            with grpc.insecure_channel(address.result()) as channel:
                yield channel
        finally:
            loop.call_soon_threadsafe(ended.set)
            done.result()
    loop.close()
