"""SAELens' files: what is written, what comes back, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model_store.manifest import SaeKind, SaeShape
from training.errors import InvalidSaeLens
from training.sae import Sae
from training.saelens import CONFIG_FILE, WEIGHTS_FILE, read_saelens, write_saelens

D_MODEL, D_SAE = 6, 24
ORIGIN = {"model_name": "steerrec.sasrec", "hook_name": "block_2", "dataset_path": "ml-100k"}
ARCHITECTURES = {
    SaeKind.TOPK: "topk",
    SaeKind.BATCHTOPK: "jumprelu",
    SaeKind.RELU: "standard",
    SaeKind.JUMPRELU: "jumprelu",
}


def odd_sae(kind: SaeKind) -> Sae:
    """Decoder rows of many norms, and biases that are not 0."""
    torch.manual_seed(5)
    k = 4 if kind in (SaeKind.TOPK, SaeKind.BATCHTOPK) else None
    threshold = 0.7 if kind is SaeKind.BATCHTOPK else None
    shape = SaeShape(kind=kind, d_sae=D_SAE, k=k, threshold=threshold)
    sae = Sae(shape, D_MODEL).eval().requires_grad_(False)
    sae.W_dec.mul_(1 + torch.rand(D_SAE, 1))
    sae.b_enc.add_(0.3 * torch.randn(D_SAE))
    sae.b_dec.add_(torch.randn(D_MODEL))
    if kind is SaeKind.JUMPRELU:
        sae.threshold.add_(torch.rand(D_SAE))
    return sae


def _written(folder: Path, kind: SaeKind = SaeKind.TOPK) -> Path:
    write_saelens(folder, odd_sae(kind), ORIGIN)
    return folder


def _changed(folder: Path, **changes: object) -> Path:
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.fixture
def hidden() -> Tensor:
    """[64, D_MODEL]."""
    return torch.randn(64, D_MODEL, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", SaeKind)
def test_the_config_says_what_saelens_reads(kind: SaeKind, tmp_path: Path) -> None:
    expected: dict[str, Any] = {
        "architecture": ARCHITECTURES[kind],
        "d_in": D_MODEL,
        "d_sae": D_SAE,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.0.0",
            "training_architecture": kind.value,
            **ORIGIN,
        },
    }
    if kind is SaeKind.TOPK:
        expected |= {"k": 4, "rescale_acts_by_decoder_norm": False}
    assert json.loads((_written(tmp_path, kind) / CONFIG_FILE).read_text()) == expected


@pytest.mark.parametrize("kind", SaeKind)
def test_the_weights_are_ours(kind: SaeKind, tmp_path: Path) -> None:
    sae = odd_sae(kind)
    expected = {name: getattr(sae, name).data for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    if ARCHITECTURES[kind] == "jumprelu":
        expected["threshold"] = sae.threshold.expand(D_SAE)
    found = load_file(_written(tmp_path, kind) / WEIGHTS_FILE)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


@pytest.mark.parametrize("kind", SaeKind)
def test_what_comes_back_answers_alike(kind: SaeKind, tmp_path: Path, hidden: Tensor) -> None:
    ours, read = odd_sae(kind), read_saelens(_written(tmp_path, kind))
    torch.testing.assert_close(read.encode(hidden), ours.encode(hidden), atol=0, rtol=0)
    torch.testing.assert_close(read(hidden), ours(hidden), atol=0, rtol=0)


def test_a_byte_order_mark_is_no_part_of_the_config(tmp_path: Path) -> None:
    path = _written(tmp_path, SaeKind.TOPK) / CONFIG_FILE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_saelens(tmp_path).shape.kind is SaeKind.TOPK


def test_a_decoder_bias_that_is_subtracted_first_is_folded_in(
    tmp_path: Path, hidden: Tensor
) -> None:
    ours = odd_sae(SaeKind.RELU)
    read = read_saelens(_changed(_written(tmp_path, SaeKind.RELU), apply_b_dec_to_input=True))
    expected = ours.encode(hidden - ours.b_dec)
    torch.testing.assert_close(read.encode(hidden), expected, atol=1e-5, rtol=0)


def test_activations_counted_by_decoder_norm_are_folded_in(tmp_path: Path, hidden: Tensor) -> None:
    ours = odd_sae(SaeKind.TOPK)
    norms = torch.linalg.vector_norm(ours.W_dec, dim=1)
    read = read_saelens(_changed(_written(tmp_path), rescale_acts_by_decoder_norm=True))
    best = torch.relu(ours.pre_activations(hidden) * norms).topk(4).values
    torch.testing.assert_close(read.encode(hidden).topk(4).values, best, atol=1e-5, rtol=0)
    expected = (read.encode(hidden) / norms) @ ours.W_dec + ours.b_dec
    torch.testing.assert_close(read(hidden), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "gated"}, "cfg.json: architecture: Input should be 'standard'"),
        ({"normalize_activations": "layer_norm"}, "cfg.json: normalize_activations: Input should"),
        ({"k": None}, "cfg.json: k: None is not within 1 to d_sae"),
        ({"k": 25}, "cfg.json: k: 25 is not within 1 to d_sae"),
        ({"metadata": {}}, "cfg.json: metadata.sae_lens_version: Field required"),
        ({"metadata": {"sae_lens_version": "5.1.0"}}, "cfg.json: metadata.sae_lens_version: "),
        ({"d_sae": 25}, "sae_weights.safetensors: W_enc: shape is [6, 24], cfg.json says [6, 25]"),
        (
            {"architecture": "jumprelu"},
            "sae_weights.safetensors: threshold: shape is missing, cfg.json says [24]",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidSaeLens) as refused:
        read_saelens(_changed(_written(tmp_path), **changes))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (_written(tmp_path) / name).unlink()
    with pytest.raises(InvalidSaeLens, match=name):
        read_saelens(tmp_path)


def test_half_precision_weights_are_read_as_float32(tmp_path: Path) -> None:
    weights = load_file(_written(tmp_path) / WEIGHTS_FILE)
    save_file({name: w.half() for name, w in weights.items()}, tmp_path / WEIGHTS_FILE)
    assert read_saelens(tmp_path).W_enc.dtype is torch.float32
