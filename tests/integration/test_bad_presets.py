"""Preset files that only a service with a bundle can refuse: with the message at their top."""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from steerrec.v1 import preset_pb2, preset_pb2_grpc, recommender_pb2_grpc

from cli.preset_file import read_preset
from model_store.store import Store
from tests.integration.asking import detail, preset, request
from tests.integration.fuzzed import running, settings_of

BAD_PRESETS = sorted(Path(__file__).parent.joinpath("bad_presets").glob("*.yaml"))
CONTEXT_TYPES = "surface=string, age=double, kids=bool, tags=list, user_id=string"
FEATURE_SPACE = "<feature space>"
"""Stands in a message for that of the bundle."""
MOST_DEFAULTS = 64
DEFAULT = "default-"
"""What names of the presets begin with that are there before."""


@pytest.fixture(scope="module")
def channel(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """To a replica where the context is declared, and as many defaults are stored as may be."""
    settings = settings_of(tiny_store, tmp_path_factory.mktemp("data"), context_types=CONTEXT_TYPES)
    with running(settings) as own:
        for number in range(MOST_DEFAULTS):
            create(own, default(f"{DEFAULT}{number}"))
        yield own


def default(name: str) -> preset_pb2.Preset:
    """A default preset that applies nowhere."""
    message = preset_pb2.Preset(name=name)
    message.targeting.is_default = True
    message.targeting.condition = "context.surface == 'nowhere'"
    rule = message.rules.add(operation=1, value=1)
    rule.attribute.name, rule.attribute.value = "genre", "Horror"
    return message


def create(channel: grpc.Channel, message: preset_pb2.Preset) -> None:
    """The preset, in force."""
    presets = preset_pb2_grpc.PresetServiceStub(channel)
    presets.CreatePreset(
        preset_pb2.CreatePresetRequest(preset=message, author="ann", reason="test")
    )


def refused(channel: grpc.Channel, message: preset_pb2.Preset) -> list[str]:
    """What a preset is refused with: each field at fault, or the reason where it is no field's."""
    with pytest.raises(grpc.RpcError) as raised:
        create(channel, message)
    error: Any = raised.value
    bad = detail(error, error_details_pb2.BadRequest)
    if bad is None:
        return [str(error.details())]
    return [f"{own.field}: {own.description}" for own in bad.field_violations]


@pytest.mark.parametrize("path", BAD_PRESETS, ids=lambda path: path.stem)
def test_a_bad_preset_is_refused_with_the_message_at_its_top(
    channel: grpc.Channel, tiny_store: Store, path: Path
) -> None:
    served = tiny_store.load("production").feature_space
    lines = path.read_text().replace(FEATURE_SPACE, served).splitlines()
    expected = [line[2:] for line in takewhile(lambda line: line.startswith("# "), lines)]
    assert refused(channel, read_preset(path).preset.message()) == expected


@pytest.mark.parametrize("path", BAD_PRESETS, ids=lambda path: path.stem)
def test_a_bad_preset_never_reaches_a_request(channel: grpc.Channel, path: Path) -> None:
    message = read_preset(path).preset.message()
    refused(channel, message)
    recommender = recommender_pb2_grpc.RecommenderServiceStub(channel)
    with pytest.raises(grpc.RpcError) as error:
        recommender.Recommend(request(presets=[preset(message.name)]))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


def test_no_bad_preset_is_listed(channel: grpc.Channel) -> None:
    presets = preset_pb2_grpc.PresetServiceStub(channel)
    for path in BAD_PRESETS:
        refused(channel, read_preset(path).preset.message())
    listed = presets.ListPresets(preset_pb2.ListPresetsRequest(show_deleted=True)).presets
    assert [own.name for own in listed if not own.name.startswith(DEFAULT)] == []
