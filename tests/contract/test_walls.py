"""Every room imports what it may and nothing else, imports inside functions included."""

from pathlib import Path

import pytest

from tests.contract.walls import ROOMS, faults

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", sorted(ROOMS - {"console"}))
def test_every_room_is_there(room: str) -> None:
    assert any(module.parts[0] == room for module in MODULES)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_the_module_keeps_the_walls(module: Path) -> None:
    assert faults(module.parts[0], (ROOT / module).read_text()) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("steering", "import scipy"),
        ("steering", "from model_store import store"),
        ("model_store", "import steering.plan"),
        ("service", "from training.metrics import ndcg"),
        ("service", "from cli.main import app"),
        ("service", "import tests.bundles"),
        ("training", "from service.metrics import Metrics"),
        ("training", "from steerrec.v1 import rule_pb2"),
        ("console", "import service"),
        ("loadtest", "from service.settings import Settings"),
        ("loadtest", "from bench.requests import encoded_requests"),
        ("service", "from loadtest.processes import run"),
        ("cli", "from bench.serving import main"),
        ("bench", "import cli"),
        ("service", "from proto.steerrec.v1 import rule_pb2"),
        ("service", "import torch.nn as nn"),
        ("model_store", "from safetensors import torch"),
        ("cli", "import redis.asyncio"),
        ("training", "from prometheus_client import Counter"),
        ("cli", "from grpc_health.v1 import health"),
        ("training", "import grpc"),
        ("cli", "server = grpc.aio.server()"),
        ("cli", "from grpc import aio\nserver = aio.server()"),
        ("cli", "from grpc.aio import server as served\nserved()"),
        ("cli", "import grpc.aio as rpc\nrpc.server()"),
        ("model_store", "def load():\n    import torch"),
        ("steering", "class Rule:\n    def ask(self):\n        from redis import Redis"),
        ("model_store", "importlib.import_module('torch')"),
        ("steering", "if TYPE_CHECKING:\n    from service.query import Query"),
    ],
)
def test_a_breach_is_found(room: str, source: str) -> None:
    assert faults(room, source) != []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("steering", "import numpy as np\nimport steering.plan\nimport math"),
        ("service", "import grpc\nfrom steerrec.v1 import rule_pb2\nimport steering"),
        ("training", "import torch\nfrom steering.plan import plan_for\nimport model_store"),
        ("cli", "import service.server, training.pipeline\nchannel = grpc.insecure_channel('a:1')"),
        ("cli", "from grpc import aio\nchannel = aio.insecure_channel('a:1')"),
        ("bench", "from loadtest.generator import Generator"),
        ("cli", "from cli.demo import server\nserver()"),
        ("cli", "from prometheus_client.parser import text_string_to_metric_families"),
        ("console", "from grpc_health.v1 import health_pb2, health_pb2_grpc"),
        ("model_store", "from steeringwheel import turn"),
    ],
)
def test_what_a_room_may_import_is_no_breach(room: str, source: str) -> None:
    assert faults(room, source) == []
