"""The contract keeps buf's STANDARD rules, and every part of it is explained.

buf itself is no Python package; these are the rules of its STANDARD set that a change could break.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf import descriptor_pb2

from tests.contract.stubs import SOURCE, include_paths

PASCAL = re.compile(r"([A-Z][a-z0-9]*)+")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Part(NamedTuple):
    """A named part of a .proto file."""

    kind: str
    name: str
    is_explained: bool


def read_files() -> list[descriptor_pb2.FileDescriptorProto]:
    """The .proto files, comments included."""
    command = [sys.executable, "-m", "grpc_tools.protoc", *include_paths()]
    names = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.glob("steerrec/v1/*.proto"))
    out = Path(__file__).parent / ".descriptors"
    try:
        subprocess.run(
            [*command, "--include_source_info", f"--descriptor_set_out={out}", *names],
            check=True,
            cwd=SOURCE,
        )
        return list(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)
    finally:
        out.unlink(missing_ok=True)


FILES = read_files()


def parts(file: descriptor_pb2.FileDescriptorProto) -> Iterator[Part]:
    explained = {
        tuple(place.path)
        for place in file.source_code_info.location
        if place.leading_comments.strip()
    }

    def part(kind: str, name: str, *path: int) -> Part:
        return Part(kind, f"{file.name} {name}", path in explained)

    for m, message in enumerate(file.message_type):
        yield part("message", message.name, 4, m)
        for f, field in enumerate(message.field):
            yield part("field", f"{message.name}.{field.name}", 4, m, 2, f)
        for o, oneof in enumerate(message.oneof_decl):
            if not oneof.name.startswith("_"):
                yield part("field", f"{message.name}.{oneof.name}", 4, m, 8, o)
    for e, enum in enumerate(file.enum_type):
        yield part("message", enum.name, 5, e)
        for v, value in enumerate(enum.value):
            yield part("value", f"{enum.name}.{value.name}", 5, e, 2, v)
    for s, service in enumerate(file.service):
        yield part("message", service.name, 6, s)
        for r, rpc in enumerate(service.method):
            yield part("rpc", f"{service.name}.{rpc.name}", 6, s, 2, r)


PARTS = [part for file in FILES for part in parts(file)]


def test_there_are_parts_to_check() -> None:
    assert len(PARTS) > 100


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_is_explained(part: Part) -> None:
    assert part.is_explained, f"{part.kind} {part.name} has no comment"


def test_messages_enums_services_and_rpcs_are_pascal_case() -> None:
    names = [p.name.rpartition(" ")[2].rpartition(".")[2] for p in PARTS if p.kind in
             {"message", "rpc"}]  # fmt: skip
    assert [name for name in names if not PASCAL.fullmatch(name)] == []


def test_fields_are_snake_case() -> None:
    names = [part.name.rpartition(".")[2] for part in PARTS if part.kind == "field"]
    assert [name for name in names if not SNAKE.fullmatch(name)] == []


@pytest.mark.parametrize(
    "enum", [enum for file in FILES for enum in file.enum_type], ids=lambda enum: enum.name
)
def test_enum_values_carry_their_enums_name_and_zero_is_unspecified(
    enum: descriptor_pb2.EnumDescriptorProto,
) -> None:
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
    assert enum.value[0].number == 0
    assert enum.value[0].name == f"{prefix}UNSPECIFIED"
    assert all(value.name.startswith(prefix) for value in enum.value)


def test_services_end_in_service() -> None:
    names = [service.name for file in FILES for service in file.service]
    assert all(name.endswith("Service") for name in names)


def test_every_rpc_has_its_own_request_and_response() -> None:
    odd = [
        rpc.name
        for file in FILES
        for service in file.service
        for rpc in service.method
        if (rpc.input_type, rpc.output_type)
        != (f".steerrec.v1.{rpc.name}Request", f".steerrec.v1.{rpc.name}Response")
    ]
    assert odd == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_package_is_the_folder(file: descriptor_pb2.FileDescriptorProto) -> None:
    assert file.package == str(Path(file.name).parent).replace("/", ".")
