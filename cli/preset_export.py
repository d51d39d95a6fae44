"""All presets in force as files that `steerrec preset apply` takes, in an order made for git."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from steerrec.v1 import preset_pb2

from cli.client import Client
from cli.errors import Refused
from cli.output import note, show, show_json, stdout_is_utf8
from cli.preset_file import SUFFIXES, preset_yaml
from cli.stored_presets import listed


class Exported(NamedTuple):
    """What an export did to a folder or a file."""

    written: list[Path]
    """Files whose text is new."""
    unchanged: list[Path]
    """Files that said the same already."""
    left_over: list[Path]
    """Preset files of the folder that are of no preset in force."""


def in_force(client: Client) -> list[preset_pb2.Preset]:
    """The presets in force, by name; drafts that never were in force are none."""
    presets = listed(client, show_deleted=False)
    active = [one for one in presets if one.state == preset_pb2.PRESET_STATE_ACTIVE]
    return sorted(active, key=lambda preset: preset.name)


def documents(presets: Sequence[preset_pb2.Preset], *, ascii_only: bool = False) -> str:
    """All presets as one multi-document file."""
    return "---\n".join(preset_yaml(preset, ascii_only=ascii_only) for preset in presets)


def export(presets: Sequence[preset_pb2.Preset], to: Path) -> Exported:
    """Writes the presets to a file (by its suffix), or one a file to a folder.

    Raises:
        Refused: the place cannot be written.
    """
    try:
        if to.suffix in SUFFIXES and not to.is_dir():
            return _exported({to: documents(presets)}, [])
        to.mkdir(parents=True, exist_ok=True)
        files = {to / f"{preset.name}.yaml": preset_yaml(preset) for preset in presets}
        there = sorted(path for path in to.iterdir() if path.suffix in SUFFIXES)
        return _exported(files, [path for path in there if path not in files])
    except OSError as error:
        raise Refused(f"{to}: cannot be written: {error.strerror}") from None


def show_documents(presets: Sequence[preset_pb2.Preset], *, as_json: bool) -> None:
    """Print all presets, as one multi-document file or as JSON."""
    if as_json:
        show_json(presets)
    elif presets:
        show(documents(presets, ascii_only=not stdout_is_utf8()).rstrip())


def show_exported(exported: Exported, *, delete: bool, as_json: bool) -> None:
    """Print what was written; and delete what is left over where that was asked for."""
    written, unchanged, left_over = exported
    if delete:
        for path in left_over:
            path.unlink()
    if as_json:
        kinds = exported._asdict().items()
        show_json({kind: [str(path) for path in paths] for kind, paths in kinds})
        return
    for path in written:
        show(f"{path}: written")
    for path in left_over:
        if delete:
            show(f"{path}: deleted")
        else:
            note(f"{path}: left there, though no preset in force is in it; --delete removes it")
    show(f"{len(written)} written, {len(unchanged)} unchanged")


def _exported(files: dict[Path, str], left_over: list[Path]) -> Exported:
    written = [path for path, text in files.items() if not _says(path, text)]
    for path in written:
        path.write_text(files[path], encoding="utf-8")
    return Exported(written, [path for path in files if path not in written], left_over)


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
