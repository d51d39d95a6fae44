"""SAELens itself answers from our files what we answer, and we from its files what it answers.

The library runs in an interpreter of its own (`make .cache/saelens/.ready`, part of `make test`):
importing it takes seconds and warns of much.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model_store.manifest import SaeKind
from tests.equivalence import saelens_answers
from tests.equivalence.saelens_environment import interpreter
from tests.unit.training.test_saelens import D_MODEL, D_SAE, ORIGIN, odd_sae
from training.sae import Sae
from training.saelens import read_saelens, write_saelens

TOLERANCE = 1e-5
ENVIRONMENT = Path(__file__).parents[2] / ".cache" / "saelens"

pytestmark = pytest.mark.timeout(300)
"""Some ten seconds on an idle machine, nearly all of them the library's imports."""


@pytest.fixture(scope="module")
def hidden() -> torch.Tensor:
    """[64, D_MODEL]."""
    return torch.randn(64, D_MODEL, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def answered(hidden: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our files and the library's, and what it answered to both."""
    folder = tmp_path_factory.mktemp("saelens")
    save_file({"hidden": hidden}, folder / "hidden.safetensors")
    for kind in SaeKind:
        write_saelens(folder / "ours" / kind, odd_sae(kind), ORIGIN)
    script = [saelens_answers.__file__, str(folder), str(D_SAE)]
    subprocess.run([_python(), "-W", "ignore", *script], check=True)
    return folder


def _python() -> str:
    own = interpreter(ENVIRONMENT)
    if own.exists():
        return str(own)
    if find_spec("sae_lens") is None:
        pytest.skip("needs SAELens: make .cache/saelens/.ready")
    return sys.executable


def _assert_same(ours: Sae, folder: Path, hidden: torch.Tensor, tolerance: float) -> None:
    theirs = load_file(folder.with_name(f"{folder.name}.safetensors"))
    with torch.no_grad():
        found = {"activations": ours.encode(hidden), "reconstruction": ours(hidden)}
    torch.testing.assert_close(found, theirs, atol=tolerance, rtol=0)


@pytest.mark.parametrize("kind", SaeKind)
def test_saelens_loads_ours(answered: Path, kind: SaeKind, hidden: torch.Tensor) -> None:
    _assert_same(odd_sae(kind), answered / "ours" / kind, hidden, TOLERANCE)


@pytest.mark.parametrize("kind", SaeKind)
def test_saelens_knows_where_ours_was_hooked(answered: Path, kind: SaeKind) -> None:
    assert json.loads((answered / "ours" / f"{kind}.json").read_text()) == ORIGIN["hook_name"]


@pytest.mark.parametrize("subtracts", [False, True])
@pytest.mark.parametrize("architecture", saelens_answers.ARCHITECTURES)
def test_we_load_what_saelens_saves(
    answered: Path, architecture: str, hidden: torch.Tensor, *, subtracts: bool
) -> None:
    folder = answered / "theirs" / f"{architecture}-{subtracts}"
    _assert_same(read_saelens(folder), folder, hidden, 10 * TOLERANCE)
