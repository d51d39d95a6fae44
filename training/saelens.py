"""An SAE in the files of SAELens, out and in: `cfg.json` and `sae_weights.safetensors`.

Ours has its input normalisation folded in and does not subtract b_dec before encoding; the config
says so. TOPK is `topk`, RELU `standard`, JUMPRELU `jumprelu`, and BATCHTOPK is a `jumprelu` whose
features share one threshold, as SAELens saves its own. So a BATCHTOPK comes back as a JUMPRELU,
which answers alike.

Source: sae-lens 6 (decoderesearch/SAELens): `SAE.save_model`, `SAEConfig.to_dict` and each
architecture's `encode`.
"""

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from model_store.manifest import SaeKind, SaeShape
from training.errors import InvalidSaeLens
from training.sae import THRESHOLD_KINDS, Sae
from training.storage import replace_file, replace_text

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"
FORMAT_VERSION = "6.0.0"
"""The release of SAELens that brought this layout; without one, SAELens reads an older layout."""

Architecture = Literal["standard", "topk", "jumprelu"]
ARCHITECTURES: Mapping[SaeKind, Architecture] = {
    SaeKind.TOPK: "topk",
    SaeKind.BATCHTOPK: "jumprelu",
    SaeKind.RELU: "standard",
    SaeKind.JUMPRELU: "jumprelu",
}
KINDS: Mapping[Architecture, SaeKind] = {
    "standard": SaeKind.RELU,
    "topk": SaeKind.TOPK,
    "jumprelu": SaeKind.JUMPRELU,
}


class SaeLensMetadata(BaseModel):
    """Where an SAE comes from; SAELens keeps whatever it finds here."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    sae_lens_version: str = Field(pattern=r"^([6-9]|\d\d)\.")
    """Whose layout the files have."""


class SaeLensConfig(BaseModel):
    """What decides an SAE's answers in `cfg.json`; others are left aside. Defaults as there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    architecture: Architecture
    """How activations are kept sparse."""
    d_in: int = Field(ge=1)
    """Width of the hidden state, our d_model."""
    d_sae: int = Field(ge=1)
    """Number of features."""
    dtype: str = "float32"
    """Of the weights; read as float32 whatever it is."""
    device: str = "cpu"
    """Where SAELens puts the weights."""
    apply_b_dec_to_input: bool = True
    """Whether b_dec is subtracted before encoding."""
    normalize_activations: Literal["none"] = "none"
    """Normalisation at run time; none can be folded in without knowing the data."""
    reshape_activations: Literal["none"] = "none"
    """Reshaping of attention heads."""
    k: int | None = Field(default=None, ge=1)
    """Active features; `topk` only."""
    rescale_acts_by_decoder_norm: bool = False
    """Whether activations are counted as if decoder rows had norm 1; `topk` only."""
    metadata: SaeLensMetadata
    """Layout and origin."""


def write_saelens(folder: Path, sae: Sae, origin: Mapping[str, str]) -> None:
    """Writes the autoencoder into a folder that `sae_lens.SAE.load_from_disk` reads.

    Args:
        folder: made if it is not there; files in it are replaced.
        sae: with its normalisation folded in.
        origin: further metadata, e.g. `model_name`, `hook_name` and `dataset_path`.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = _weights(sae)
    replace_file(folder / WEIGHTS_FILE, lambda file: file.write(save(weights)))
    config = _config(sae, origin).model_dump_json(indent=2, exclude=_unused(sae))
    replace_text(folder / CONFIG_FILE, config + "\n")


def read_saelens(folder: Path) -> Sae:
    """The autoencoder that SAELens saved, its options folded into the weights.

    Raises:
        InvalidSaeLens: a file is missing or no such file, an option cannot be folded in, or a
            tensor is missing or has another shape than the config says.
    """
    config = _read_config(folder)
    weights = _read_weights(folder, config)
    kind = KINDS[config.architecture]
    k = config.k if kind is SaeKind.TOPK else None
    sae = Sae(SaeShape(kind=kind, d_sae=config.d_sae, k=k), config.d_in)
    sae.load_state_dict({"threshold": sae.threshold, **_folded(weights, config)})
    return sae.eval()


def _weights(sae: Sae) -> dict[str, Tensor]:
    names = ("W_enc", "b_enc", "W_dec", "b_dec")
    weights = {name: getattr(sae, name) for name in names}
    if sae.shape.kind in THRESHOLD_KINDS:
        weights["threshold"] = sae.threshold.expand(sae.shape.d_sae)
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def _config(sae: Sae, origin: Mapping[str, str]) -> SaeLensConfig:
    metadata = {"sae_lens_version": FORMAT_VERSION, "training_architecture": sae.shape.kind.value}
    return SaeLensConfig(
        architecture=ARCHITECTURES[sae.shape.kind],
        d_in=sae.W_enc.shape[0],
        d_sae=sae.shape.d_sae,
        apply_b_dec_to_input=False,
        k=sae.shape.k,
        metadata=SaeLensMetadata.model_validate(metadata | dict(origin)),
    )


def _unused(sae: Sae) -> set[str]:
    """Keys that SAELens knows for one architecture only."""
    return set() if sae.shape.kind is SaeKind.TOPK else {"k", "rescale_acts_by_decoder_norm"}


def _read_config(folder: Path) -> SaeLensConfig:
    try:
        content = (folder / CONFIG_FILE).read_bytes().removeprefix(codecs.BOM_UTF8)
        config = SaeLensConfig.model_validate_json(content)
    except OSError as error:
        raise InvalidSaeLens(folder / CONFIG_FILE, [error.strerror or "unreadable"]) from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
        raise InvalidSaeLens(folder / CONFIG_FILE, faults) from error
    if config.architecture == "topk" and not 1 <= (config.k or 0) <= config.d_sae:
        raise InvalidSaeLens(folder / CONFIG_FILE, [f"k: {config.k} is not within 1 to d_sae"])
    return config


def _read_weights(folder: Path, config: SaeLensConfig) -> dict[str, Tensor]:
    path = folder / WEIGHTS_FILE
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InvalidSaeLens(path, [f"not a safetensors file: {error}"]) from error
    shapes = _shapes(config)
    if faults := [
        f"{name}: shape is {list(found[name].shape) if name in found else 'missing'}, "
        f"{CONFIG_FILE} says {list(shape)}"
        for name, shape in shapes.items()
        if name not in found or found[name].shape != shape
    ]:
        raise InvalidSaeLens(path, faults)
    return {name: found[name].float() for name in shapes}


def _shapes(config: SaeLensConfig) -> dict[str, tuple[int, ...]]:
    d_model, d_sae = config.d_in, config.d_sae
    shapes: dict[str, tuple[int, ...]] = {
        "W_enc": (d_model, d_sae),
        "b_enc": (d_sae,),
        "W_dec": (d_sae, d_model),
        "b_dec": (d_model,),
    }
    return shapes | ({"threshold": (d_sae,)} if config.architecture == "jumprelu" else {})


def _folded(weights: dict[str, Tensor], config: SaeLensConfig) -> dict[str, Tensor]:
    """The weights with which ours answers as SAELens does under the config's options."""
    folded = dict(weights)
    if config.apply_b_dec_to_input:
        folded["b_enc"] = folded["b_enc"] - folded["b_dec"] @ folded["W_enc"]
    if config.architecture == "topk" and config.rescale_acts_by_decoder_norm:
        norms = torch.linalg.vector_norm(folded["W_dec"], dim=1).clamp_min(1e-8)
        folded["W_enc"] = folded["W_enc"] * norms
        folded["b_enc"] = folded["b_enc"] * norms
        folded["W_dec"] = folded["W_dec"] / norms[:, None]
    return folded
