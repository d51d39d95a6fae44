"""Presets that a service keeps: read, listed, deleted."""

from collections.abc import Sequence
from itertools import chain

from steerrec.v1 import preset_pb2

from cli.client import Client, pages
from cli.output import show, show_json, table
from cli.preset_file import preset_yaml


def stored(client: Client, name: str, revision: int | None = None) -> preset_pb2.Preset:
    """The preset, at the revision in force or at the one asked for."""
    request = preset_pb2.GetPresetRequest(name=name, revision=revision)
    return client.call(client.presets.GetPreset, request).preset


def listed(client: Client, *, show_deleted: bool) -> list[preset_pb2.Preset]:
    """Every preset at its newest revision, by name."""

    def ask(token: str) -> preset_pb2.ListPresetsResponse:
        request = preset_pb2.ListPresetsRequest(page_token=token, show_deleted=show_deleted)
        return client.call(client.presets.ListPresets, request)

    return list(chain.from_iterable(page.presets for page in pages(ask)))


def delete(
    client: Client, name: str, etag: str | None, *, author: str, reason: str
) -> preset_pb2.Preset:
    """The preset, taken out of force; without an etag whichever revision is in force."""
    request = preset_pb2.DeletePresetRequest(
        name=name, etag=etag or stored(client, name).etag, author=author, reason=reason
    )
    return client.call(client.presets.DeletePreset, request).preset


def show_preset(preset: preset_pb2.Preset, *, as_json: bool) -> None:
    """Print one preset, as a file or as JSON."""
    if as_json:
        show_json(preset)
    else:
        show(preset_yaml(preset).rstrip())


def show_presets(presets: Sequence[preset_pb2.Preset], *, as_json: bool) -> None:
    """Print one line for each preset."""
    if as_json:
        show_json(presets)
        return
    columns = ("name", "revision", "state", "rules", "author", "updated", "description")
    made = table(*columns, right=("revision", "rules"))
    for preset in presets:
        made.add_row(
            preset.name,
            str(preset.revision),
            state(preset),
            str(len(preset.rules)),
            preset.author,
            f"{preset.update_time.ToDatetime():%Y-%m-%d %H:%M}",
            preset.description,
        )
    show(made)


def show_deleted(preset: preset_pb2.Preset, *, as_json: bool) -> None:
    """Print what was taken out of force."""
    if as_json:
        show_json(preset)
    else:
        show(f"{preset.name}: deleted at revision {preset.revision}")


def state(preset: preset_pb2.Preset) -> str:
    """Where its revision stands, in lower case."""
    name = preset_pb2.PresetState.Name(preset.state)
    return name.removeprefix("PRESET_STATE_").lower()
