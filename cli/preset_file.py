"""Preset files: YAML in, refused with every fault; and a stored preset out as YAML."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from steerrec.v1 import preset_pb2, rule_pb2

from cli.errors import Refused
from cli.preset_faults import Source, schema_faults
from cli.preset_schema import PresetDocument, UnitName
from cli.shown import shown
from cli.targeting_schema import targeting_content
from cli.yaml_documents import documents_of
from service.errors import InvalidRequest
from service.presets.conditions import compile_condition
from service.presets.targeting import checked_targeting
from steering.errors import ConditionRefused, InvalidRule, RuleFault
from steering.rules import Rule, faults_of, repeated_ids

SUFFIXES = (".yaml", ".yml")
"""Of preset files in a folder."""


@dataclass(frozen=True)
class PresetFile:
    """A preset file that is sound by itself."""

    source: Source
    """Where it is, and where in it each key is."""
    preset: PresetDocument
    """What it says."""

    @property
    def rules(self) -> list[Rule]:
        """Its rules, as steering reads them."""
        return [part.rule() for part in self.preset.rules]


def read_preset(path: Path) -> PresetFile:
    """The one preset of a YAML file.

    Raises:
        Refused: as `presets_in`, and where the file holds several.
    """
    first, *others = presets_in(path)
    if others:
        raise Refused(others[0].source.fault(("name",), "a second preset; one is wanted here"))
    return first


def presets_in(path: Path) -> list[PresetFile]:
    """The presets of a YAML file, one a document.

    Raises:
        Refused: the file cannot be read, is not YAML, or says something that cannot be; every
            fault with file, line and key.
    """
    read = [_sound(Source(path, content)) for content in documents_of(path)]
    if faults := [fault for one in read if isinstance(one, Refused) for fault in one.faults]:
        raise Refused(faults)
    return [one for one in read if isinstance(one, PresetFile)]


def read_presets(paths: Sequence[Path]) -> list[PresetFile]:
    """The presets in these files, and in the YAML files of these folders.

    Raises:
        Refused: with every fault of every file, and where a preset is there more than once.
    """
    files: list[PresetFile] = []
    faults: list[str] = []
    for path in _each_once(file for given in paths for file in _files_of(given)):
        try:
            files.extend(presets_in(path))
        except Refused as refused:
            faults.extend(refused.faults)
    faults += _named_twice(files)
    if faults:
        raise Refused(faults)
    return files


def _each_once(paths: Iterable[Path]) -> list[Path]:
    """The paths without those of a file that is there already, as in a folder named beside it."""
    return list({os.path.realpath(path): path for path in reversed([*paths])}.values())[::-1]


def _named_twice(files: Sequence[PresetFile]) -> Iterator[str]:
    """A sentence for each preset whose name an earlier one has."""
    first: dict[str, PresetFile] = {}
    for file in files:
        earlier = first.setdefault(file.preset.name, file)
        if earlier is not file:
            where = f"{earlier.source.path}, line {earlier.source.line(('name',))}"
            problem = f"{where} names this preset too; keep one of them"
            yield file.source.fault(("name",), problem)


def preset_yaml(preset: preset_pb2.Preset, *, ascii_only: bool = False) -> str:
    """The file that `read_preset` would read as this preset.

    Args:
        preset: what the file says.
        ascii_only: whether every other character is written as its escape.
    """
    written = StringIO()
    yaml = YAML()
    yaml.allow_unicode = not ascii_only
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({"name": preset.name, **preset_content(preset)}, written)
    return written.getvalue()


def preset_content(preset: preset_pb2.Preset) -> dict[str, Any]:
    """What the preset says, in a file's words; what is as it is by default is left out."""
    content: dict[str, Any] = {}
    if preset.description:
        content["description"] = preset.description
    if preset.feature_space:
        content["feature_space"] = preset.feature_space
    content["rules"] = [_rule_content(rule) for rule in preset.rules]
    if targeting := targeting_content(preset.targeting):
        content["targeting"] = targeting
    return content


def _files_of(path: Path) -> list[Path]:
    """The file, or the YAML files of the folder, by name."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not found:
        raise Refused(f"{path}: the folder holds no .yaml file")
    return found


def _sound(source: Source) -> PresetFile | Refused:
    """The preset of a document, or every fault of it."""
    try:
        file = PresetFile(source, PresetDocument.model_validate(source.content))
    except ValidationError as error:
        return Refused([*schema_faults(source, error)])
    faults = [source.rule_fault(fault) for fault in _rule_faults(file.rules)]
    faults += _targeting_faults(source, file.preset)
    return Refused(faults) if faults else file


def _rule_faults(rules: Sequence[Rule]) -> Iterator[RuleFault]:
    """Everything wrong with the rules that needs no bundle to see."""
    for index, rule in enumerate(rules):
        field = f"rules[{index}]"
        yield from faults_of(rule, field)
        if fault := _condition_fault(rule.condition):
            yield InvalidRule(f"{field}.condition", fault)
    for index, first in repeated_ids(rules):
        message = f"is that of rules[{first}] too; each rule has its own, or none"
        yield InvalidRule(f"rules[{index}].rule_id", f"{shown(rules[index].rule_id)} {message}")


def _targeting_faults(source: Source, preset: PresetDocument) -> Iterator[str]:
    """What is wrong with its targeting beyond the schema, as the service checks it."""
    if preset.targeting is None:
        return
    try:
        checked_targeting(preset.targeting.message(), compile_condition, field="targeting")
    except InvalidRequest as refused:
        yield from map(source.targeting_fault, refused.violations)


def _condition_fault(condition: str) -> str:
    """What is wrong with it as CEL; empty: nothing."""
    try:
        if condition:
            compile_condition(condition)
    except ConditionRefused as refused:
        return str(refused)
    return ""


def _rule_content(rule: rule_pb2.Rule) -> dict[str, object]:
    content: dict[str, object] = {"id": rule.rule_id} if rule.rule_id else {}
    if rule.WhichOneof("target") == "attribute":
        content["attribute"] = f"{rule.attribute.name}={rule.attribute.value}"
    else:
        content["feature"] = rule.feature_index
    content["operation"] = rule_pb2.Operation.Name(rule.operation).removeprefix("OPERATION_")
    content["value"] = rule.value
    if rule.unit == rule_pb2.UNIT_RAW:
        content["unit"] = UnitName.RAW.value
    if rule.condition:
        content["when"] = rule.condition
    if rule.HasField("when_activation"):
        bounds = rule.when_activation
        ends = [end for end in ("min", "max") if bounds.HasField(end)]
        content["when_activation"] = {end: getattr(bounds, end) for end in ends}
    return content
