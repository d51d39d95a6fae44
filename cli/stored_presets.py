"""Presets that a service keeps: read, listed, deleted."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from steerrec.v1 import preset_pb2, targeting_pb2

from cli.client import Client, pages
from cli.errors import NotFound
from cli.output import kept_whole, note, one_line, show, show_json, stdout_is_utf8, table
from cli.preset_file import preset_yaml

PAGE = 1000
"""Revisions asked for at once, the most that the service gives."""


class Signature(NamedTuple):
    """Who writes, and why: both go to the audit log."""

    author: str
    reason: str


def stored(client: Client, name: str, revision: int | None = None) -> preset_pb2.Preset:
    """The preset, at the revision in force or at the one asked for."""
    request = preset_pb2.GetPresetRequest(name=name, revision=revision)
    return client.call(client.presets.GetPreset, request).preset


def listed(client: Client, *, show_deleted: bool) -> list[preset_pb2.Preset]:
    """Every preset by name, at the revision in force, or the newest where none is."""

    def ask(token: str) -> preset_pb2.ListPresetsResponse:
        request = preset_pb2.ListPresetsRequest(page_token=token, show_deleted=show_deleted)
        return client.call(client.presets.ListPresets, request)

    return list(chain.from_iterable(page.presets for page in pages(ask)))


def revisions(client: Client, name: str) -> list[preset_pb2.Preset]:
    """Every revision of a preset, newest first."""

    def ask(token: str) -> preset_pb2.ListPresetRevisionsResponse:
        request = preset_pb2.ListPresetRevisionsRequest(name=name, page_size=PAGE, page_token=token)
        return client.call(client.presets.ListPresetRevisions, request)

    return list(chain.from_iterable(page.presets for page in pages(ask)))


def newest_revision(client: Client, name: str) -> preset_pb2.Preset:
    """The newest revision of a preset, whatever became of it.

    Raises:
        NotFound: there is none.
    """
    request = preset_pb2.ListPresetRevisionsRequest(name=name, page_size=1)
    found = client.call(client.presets.ListPresetRevisions, request).presets
    if not found:
        raise NotFound(f"{name}: no revision is kept")
    return found[0]


def delete(
    client: Client, name: str, etag: str | None, signed: Signature, *, validate_only: bool = False
) -> preset_pb2.Preset:
    """The preset, taken out of force; without an etag whichever revision is in force."""
    request = preset_pb2.DeletePresetRequest(
        name=name,
        etag=etag or stored(client, name).etag,
        author=signed.author,
        reason=signed.reason,
        validate_only=validate_only,
    )
    return client.call(client.presets.DeletePreset, request).preset


def show_preset(preset: preset_pb2.Preset, *, as_json: bool) -> None:
    """Print one preset, as a file or as JSON."""
    if as_json:
        show_json(preset)
        return
    show(preset_yaml(preset, ascii_only=not stdout_is_utf8()).rstrip())
    written = f"{moment(preset.update_time)} by {preset.author}: {preset.reason}"
    note(f"revision {preset.revision}, {state(preset)}, written {written}")


def show_presets(presets: Sequence[preset_pb2.Preset], *, as_json: bool) -> None:
    """Print one line for each preset."""
    if as_json:
        show_json(presets)
        return
    columns = ("name", "revision", "state", "rules", "applies", "author", "updated", "description")
    made = table(*columns, right=("revision", "rules"))
    for preset in presets:
        made.add_row(
            preset.name,
            str(preset.revision),
            state(preset),
            str(len(preset.rules)),
            one_line(applies(preset.targeting)),
            one_line(preset.author),
            one_line(moment(preset.update_time)),
            one_line(preset.description),
        )
    show(kept_whole(made, "name", "revision", "state", "rules"))


def show_written(preset: preset_pb2.Preset, what: str, *, as_json: bool) -> None:
    """Print what became of one preset."""
    if as_json:
        show_json(preset)
    else:
        show(f"{preset.name}: {what} revision {preset.revision}")


def state(preset: preset_pb2.Preset) -> str:
    """Where its revision stands, in lower case."""
    name = preset_pb2.PresetState.Name(preset.state)
    return name.removeprefix("PRESET_STATE_").lower()


def applies(targeting: targeting_pb2.Targeting) -> str:
    """When it applies, in a few words."""
    words = ["by default" if targeting.is_default else "where named"]
    if targeting.condition:
        words.append("condition")
    if targeting.HasField("schedule"):
        words.append("schedule")
    if targeting.HasField("rollout"):
        words.append(f"{targeting.rollout.percent:g} %")
    if targeting.exclusivity_group:
        words.append(f"group {targeting.exclusivity_group}")
    if targeting.priority:
        words.append(f"priority {targeting.priority}")
    return ", ".join(words)


def moment(stamp: Timestamp) -> str:
    """A moment in UTC, to the second; Z says so."""
    return f"{stamp.ToDatetime():%Y-%m-%d %H:%M:%SZ}"
