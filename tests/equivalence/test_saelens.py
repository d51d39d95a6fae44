"""SAELens itself answers from our files what we answer, and we from its files what it answers."""

from pathlib import Path
from typing import Any

import pytest
import torch

from model_store.manifest import SaeKind
from tests.unit.training.test_saelens import D_MODEL, D_SAE, ORIGIN, odd_sae
from training.saelens import read_saelens, write_saelens

TOLERANCE = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore")
"""Its many dependencies warn as they are imported."""


@pytest.fixture(scope="module")
def sae_lens() -> Any:
    """The library, which the [saelens] extra brings."""
    return pytest.importorskip("sae_lens", reason="needs steerrec[saelens]")


@pytest.fixture(scope="module")
def hidden() -> torch.Tensor:
    """[64, D_MODEL]."""
    return torch.randn(64, D_MODEL, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", SaeKind)
def test_saelens_loads_ours(
    sae_lens: Any, kind: SaeKind, tmp_path: Path, hidden: torch.Tensor
) -> None:
    ours = odd_sae(kind)
    write_saelens(tmp_path, ours, ORIGIN)
    theirs = sae_lens.SAE.load_from_disk(tmp_path)
    assert theirs.cfg.metadata.hook_name == ORIGIN["hook_name"]
    with torch.no_grad():
        found = theirs.encode(hidden)
        torch.testing.assert_close(found, ours.encode(hidden), atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(theirs(hidden), ours(hidden), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("subtracts", [False, True])
@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu"])
def test_we_load_what_saelens_saves(
    sae_lens: Any, architecture: str, tmp_path: Path, hidden: torch.Tensor, *, subtracts: bool
) -> None:
    options = {"k": 4, "rescale_acts_by_decoder_norm": subtracts} if architecture == "topk" else {}
    config = {"d_in": D_MODEL, "d_sae": D_SAE, "apply_b_dec_to_input": subtracts, **options}
    theirs = sae_lens.SAE.from_dict({"architecture": architecture, **config})
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.copy_(torch.randn_like(weight))
        theirs.save_model(tmp_path)
        ours = read_saelens(tmp_path)
        found = ours.encode(hidden)
        torch.testing.assert_close(found, theirs.encode(hidden), atol=10 * TOLERANCE, rtol=0)
        torch.testing.assert_close(ours(hidden), theirs(hidden), atol=10 * TOLERANCE, rtol=0)
