"""Preset files: YAML in, refused with every fault; and a stored preset out as YAML."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from steerrec.v1 import preset_pb2, rule_pb2

from cli.errors import Refused
from cli.preset_faults import Source, schema_faults, yaml_fault
from cli.preset_schema import PresetDocument, UnitName
from service.presets.conditions import compile_condition
from steering.errors import ConditionRefused, InvalidRule, RuleFault
from steering.rules import Rule, faults_of


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
    """The preset in a YAML file.

    Raises:
        Refused: the file cannot be read, is not YAML, or says something that cannot be; every
            fault with file, line and key.
    """
    source = Source(path, _mapping(path))
    try:
        file = PresetFile(source, PresetDocument.model_validate(source.content))
    except ValidationError as error:
        raise Refused([*schema_faults(source, error)]) from None
    if faults := [source.rule_fault(fault) for fault in _rule_faults(file.rules)]:
        raise Refused(faults)
    return file


def read_presets(paths: Sequence[Path]) -> list[PresetFile]:
    """The presets in these files.

    Raises:
        Refused: with every fault of every file, and where several files name one preset.
    """
    files: list[PresetFile] = []
    faults: list[str] = []
    for path in paths:
        try:
            files.append(read_preset(path))
        except Refused as refused:
            faults.extend(refused.faults)
    named = Counter(file.preset.name for file in files)
    faults += [f"{name}: {n} of the files name this preset" for name, n in named.items() if n > 1]
    if faults:
        raise Refused(faults)
    return files


def preset_yaml(preset: preset_pb2.Preset) -> str:
    """The file that `read_preset` would read as this preset."""
    content: dict[str, object] = {"name": preset.name}
    if preset.description:
        content["description"] = preset.description
    if preset.feature_space:
        content["feature_space"] = preset.feature_space
    content["rules"] = [_rule_content(rule) for rule in preset.rules]
    written = StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(content, written)
    return written.getvalue()


def _mapping(path: Path) -> CommentedMap:
    """The file's top level."""
    try:
        content = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{path.name}: is not UTF-8; save it as UTF-8") from None
    except YAMLError as error:
        raise Refused(yaml_fault(path, error)) from None
    if not isinstance(content, CommentedMap):
        raise Refused(f"{path.name}: holds no preset; it begins with `name: <name>`")
    return content


def _rule_faults(rules: Sequence[Rule]) -> Iterator[RuleFault]:
    """Everything wrong with the rules that needs no bundle to see."""
    for index, rule in enumerate(rules):
        field = f"rules[{index}]"
        yield from faults_of(rule, field)
        try:
            if rule.condition:
                compile_condition(rule.condition)
        except ConditionRefused as refused:
            yield InvalidRule(f"{field}.condition", str(refused))


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
