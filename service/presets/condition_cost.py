"""What a condition may cost at most, told from its parsed form before it ever runs.

A bound in steps: one for each node, and one for each byte that an operation may have to read, with
a context as large as a request's may be. The evaluator itself refuses nesting beyond 32.
"""

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from steering.errors import ConditionRefused

MAX_STEPS = 1_000_000
"""About a millisecond: docs/presets.md has the measured worst."""
MAX_PATTERN = 100
CONTEXT_BYTES = 4096
"""What a request's context may hold, and so any value read from it."""
SEARCH = 64
"""Bytes that a search compares in the time of a step."""
COUNTED = re.compile(r"\{(\d+)(?:,(\d*))?\}")
"""A counted repetition of a regular expression."""

_FIELDS = {
    "CheckedExpr": [("expr", 4, "Expr", False)],
    "Expr": [
        ("const_expr", 3, "Constant", False),
        ("ident_expr", 4, "Ident", False),
        ("select_expr", 5, "Select", False),
        ("call_expr", 6, "Call", False),
        ("list_expr", 7, "CreateList", False),
        ("struct_expr", 8, "CreateStruct", False),
        ("comprehension_expr", 9, "Comprehension", False),
    ],
    "Constant": [("string_value", 6, "", False)],
    "Ident": [("name", 1, "", False)],
    "Select": [("operand", 1, "Expr", False), ("field", 2, "", False)],
    "Call": [("target", 1, "Expr", False), ("function", 2, "", False), ("args", 3, "Expr", True)],
    "CreateList": [("elements", 1, "Expr", True)],
    "CreateStruct": [("entries", 2, "Entry", True)],
    "Entry": [("map_key", 3, "Expr", False), ("value", 4, "Expr", False)],
    "Comprehension": [],
}
"""The part of cel/expr/checked.proto that is read here: name, number, message, repeated."""


class Bound(NamedTuple):
    """What a part of an expression may come to."""

    size: int
    """Bytes of its value."""
    steps: int
    """To get it."""


def parsed(serialized: bytes) -> Any:
    """The tree of a compiled expression.

    Args:
        serialized: what the evaluator writes: a CheckedExpr in an Any.
    """
    return _checked_expr().FromString(any_pb2.Any.FromString(serialized).value).expr


def check_cost(tree: Any) -> None:
    """Refuses an expression that could cost too much.

    Raises:
        ConditionRefused: saying what is too much.
    """
    steps = _bound(tree).steps
    if steps > MAX_STEPS:
        raise ConditionRefused(
            f"could take {steps:,} steps on the largest context; at most {MAX_STEPS:,}:"
            " use shorter patterns, or fewer of them"
        )


def patterns_of(tree: Any) -> Iterator[str]:
    """The regular expressions that it matches against."""
    for node in _nodes(tree):
        if node.call_expr.function == "matches":
            yield node.call_expr.args[-1].const_expr.string_value


def keys_of(tree: Any) -> Iterator[str]:
    """Keys that it reads from the context by a dot."""
    for node in _nodes(tree):
        if node.select_expr.operand.ident_expr.name == "context":
            yield node.select_expr.field


def _nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for part in _parts(tree):
        yield from _nodes(part)


def _parts(node: Any) -> list[Any]:
    match node.WhichOneof("kind"):
        case "select_expr":
            return [node.select_expr.operand]
        case "call_expr":
            call = node.call_expr
            return [*([call.target] if call.HasField("target") else []), *call.args]
        case "list_expr":
            return list(node.list_expr.elements)
        case "struct_expr":
            entries = node.struct_expr.entries
            return [part for entry in entries for part in (entry.map_key, entry.value)]
        case _:
            return []


def _bound(node: Any) -> Bound:
    match node.WhichOneof("kind"):
        case "const_expr":
            return Bound(max(8, len(node.const_expr.string_value.encode())), 1)
        case "ident_expr":
            return Bound(CONTEXT_BYTES, 1)
        case "select_expr":
            operand = _bound(node.select_expr.operand)
            return Bound(operand.size, operand.steps + 1)
        case "call_expr":
            return _call_bound(node)
        case "comprehension_expr":
            raise ConditionRefused("comprehensions (all, exists, map, filter) are not allowed")
        case _:
            parts = [_bound(part) for part in _parts(node)]
            return Bound(8 + sum(p.size for p in parts), 1 + sum(p.steps for p in parts))


def _call_bound(node: Any) -> Bound:
    function = node.call_expr.function
    parts = [_bound(part) for part in _parts(node)]
    sizes, steps = [part.size for part in parts], 1 + sum(part.steps for part in parts)
    match function:
        case "_&&_" | "_||_" | "!_" | "_?_:_" | "_[_]":
            return Bound(max(sizes), steps)
        case "_+_" | "string" | "bytes" | "dyn":
            return Bound(32 + sum(sizes), steps + sum(sizes))
        case "contains":
            return Bound(8, steps + sum(sizes) + math.prod(sizes) // SEARCH)
        case "matches":
            return Bound(8, steps + sizes[0] * _weight(node.call_expr.args[-1]))
        case _:
            return Bound(max(8, *sizes) if sizes else 8, steps + sum(sizes))


def _weight(pattern: Any) -> int:
    """States of a regular expression, about: its length times all its counts."""
    if pattern.const_expr.WhichOneof("kind") != "string_value":
        raise ConditionRefused("the pattern of matches must be a text in quotes")
    text = pattern.const_expr.string_value
    if len(text) > MAX_PATTERN:
        raise ConditionRefused(f"a pattern of {len(text)} characters; at most {MAX_PATTERN}")
    counts = (int(most or least) for least, most in COUNTED.findall(text))
    return max(1, len(text)) * math.prod(max(1, count) for count in counts)


@cache
def _checked_expr() -> Any:
    """The message class, from the few fields that are read."""
    file = descriptor_pb2.FileDescriptorProto(
        name="steerrec/cel.proto", package="steerrec.cel", syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        if name in {"Expr", "Constant"}:
            message.oneof_decl.add(name="kind")
        for field, number, kind, is_repeated in fields:
            _add_field(message, field, number, kind, is_repeated=is_repeated)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("steerrec.cel.CheckedExpr")
    return message_factory.GetMessageClass(found)


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str, *, is_repeated: bool
) -> None:
    types = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(
        name=name,
        number=number,
        label=types.LABEL_REPEATED if is_repeated else types.LABEL_OPTIONAL,
        type=types.TYPE_MESSAGE if kind else types.TYPE_STRING,
        type_name=f".steerrec.cel.{kind}" if kind else None,
    )
    if message.oneof_decl:
        field.oneof_index = 0
