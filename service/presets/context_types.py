"""What a context may hold, where an operator declares it: conditions are then checked by type.

Types are looked at when a preset is written, and never at run time: there a value of another type
makes the condition fail, so that it does not hold.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2
from rapidfuzz import process

from service.presets.condition_cost import keys_of, parsed
from service.presets.condition_words import in_words
from service.presets.conditions import compile_condition
from steering.errors import ConditionRefused
from steering.resolved import Condition

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NEAR_ENOUGH = 60
"""Similarity, of 100, from which an undeclared key gets a suggestion."""
MAX_KEYS = 100
ISSUE = re.compile(r"ERROR: <input>:\d+:(\d+): (.*)")
UNDECLARED = re.compile(r"undefined field '(.+?)' not found in struct 'steerrec\.Context'")
OVERLOAD = re.compile(r"found no matching overload for '(.+?)' applied to '\((.*)\)'")
NUMBERS = re.compile(r"(double|int|uint), (double|int|uint)")
NUMBER_IN = re.compile(r"(double|int|uint), list\((double|int|uint)\)")
LOGICAL = ("_&&_", "_||_")
COMPARISONS = ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_")


class ContextType(StrEnum):
    """What a key of the context holds."""

    STRING = "string"
    DOUBLE = "double"
    """Every number of a context."""
    BOOL = "bool"
    LIST = "list"
    MAP = "map"


_FIELD_TYPES = {
    ContextType.STRING: (descriptor_pb2.FieldDescriptorProto.TYPE_STRING, ""),
    ContextType.DOUBLE: (descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE, ""),
    ContextType.BOOL: (descriptor_pb2.FieldDescriptorProto.TYPE_BOOL, ""),
    ContextType.LIST: (
        descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
        ".google.protobuf.ListValue",
    ),
    ContextType.MAP: (descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE, ".google.protobuf.Struct"),
}


@dataclass(frozen=True)
class ContextTypes:
    """The declared keys of the context; with none, nothing is declared and all may be read."""

    by_key: Mapping[str, ContextType] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_key)

    def compile(self, source: str) -> Condition:
        """The condition of an expression that reads only declared keys, by their types.

        Raises:
            ConditionRefused: naming the key and the nearest declared one, or the unlike types.
        """
        condition = compile_condition(source)
        if self.by_key:
            self._check(source)
        return condition

    def fault_of_key(self, key: str) -> str:
        """What is wrong with telling callers apart by a key; empty: nothing."""
        if not self.by_key:
            return ""
        if key not in self.by_key:
            return self._undeclared(key)
        if (kind := self.by_key[key]) in {ContextType.LIST, ContextType.MAP}:
            return (
                f"{key!r} is declared a {kind}; a text, a number or a boolean tells callers apart"
            )
        return ""

    def _check(self, source: str) -> None:
        try:
            kind = self._env.compile(source).return_type()
            if kind not in (cel.Type.BOOL, cel.Type.DYN):
                raise ConditionRefused(
                    f"gives {kind.name()}, not true or false; compare it with something"
                )
        except RuntimeError as error:
            for column, issue in ISSUE.findall(str(error)):
                if why := self._why(issue, source):
                    raise ConditionRefused(f"column {column}: {why}") from None

    def _why(self, issue: str, source: str) -> str:
        """What a checker's issue means; empty: nothing, at run time it is fine."""
        if undeclared := UNDECLARED.match(issue):
            return self._undeclared(undeclared[1])
        overload = OVERLOAD.match(issue)
        if overload is None:
            return "" if "*error*" in issue else in_words(issue, source)
        function, types = overload.groups()
        if _is_fine(function, types):
            return ""
        if function == "_[_]" and types.startswith("steerrec.Context"):
            return "write context.key: with declared types a key is not read by brackets"
        name, types = function.strip("_@"), types.replace("*error*", "bool")
        return f"{name} does not take {types}{self._reminder(source)}"

    def _reminder(self, source: str) -> str:
        """The declared types of the keys that an expression reads."""
        read = sorted({key for key in keys_of(_tree(source)) if key in self.by_key})
        if not read:
            return ""
        return "; declared are " + ", ".join(f"context.{key} {self.by_key[key]}" for key in read)

    def _undeclared(self, key: str) -> str:
        near = process.extractOne(key, list(self.by_key), score_cutoff=NEAR_ENOUGH)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(self.by_key))}"
        )
        return f"{key!r} is no declared key of the context; {hint}"

    @cached_property
    def _env(self) -> Any:
        """The checker's environment, in which the context is a message of the declared keys."""
        file = descriptor_pb2.FileDescriptorProto(
            name="steerrec/context.proto",
            package="steerrec",
            syntax="proto3",
            dependency=["google/protobuf/struct.proto"],
        )
        message = file.message_type.add(name="Context")
        for number, (key, kind) in enumerate(self.by_key.items(), 1):
            scalar, name = _FIELD_TYPES[kind]
            message.field.add(name=key, number=number, type=scalar, type_name=name or None, label=1)
        pool = descriptor_pool.DescriptorPool()
        pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
        pool.Add(file)
        return cel.NewEnv(descriptor_pool=pool, variables={"context": cel.Type("steerrec.Context")})


def _is_fine(function: str, types: str) -> bool:
    """Whether the checker's issue is none at run time, or comes of another one."""
    if "*error*" not in types:
        return _compares_numbers(function, types)
    return function not in LOGICAL or set(types.split(", ")) <= {"*error*", "bool", "dyn"}


def _compares_numbers(function: str, types: str) -> bool:
    """Whether a comparison is of numbers only: at run time those of unlike types compare."""
    if function == "@in":
        return NUMBER_IN.fullmatch(types) is not None
    return function in COMPARISONS and NUMBERS.fullmatch(types) is not None


UNTYPED = ContextTypes()


def context_types(text: str) -> ContextTypes:
    """The types that a text like `surface=string, age=double` declares; empty: none.

    Raises:
        ValueError: with the entry that is at fault.
    """
    by_key: dict[str, ContextType] = {}
    for key, kind in _entries(text):
        if KEY.fullmatch(key) is None:
            raise ValueError(f"{key!r} is no key: a letter or '_', then letters, digits and '_'")
        if key in by_key:
            raise ValueError(f"{key!r} is declared twice")
        if kind not in [*ContextType]:
            raise ValueError(f"{key}={kind}: the type is one of {', '.join(ContextType)}")
        by_key[key] = ContextType(kind)
    if len(by_key) > MAX_KEYS:
        raise ValueError(f"{len(by_key)} keys; at most {MAX_KEYS}")
    return ContextTypes(by_key)


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, equals, kind = entry.partition("=")
        if not equals:
            raise ValueError(f"{entry!r} must be key=type, e.g. age=double")
        yield key.strip(), kind.strip()


def _tree(source: str) -> Any:
    """The tree of an expression that compiled."""
    return parsed(
        cel.NewEnv(variables={"context": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})
        .compile(source)
        .serialize()
    )
