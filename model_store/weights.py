"""safetensors files, mapped into memory instead of read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from model_store.errors import BundleCorrupt
from model_store.files import BASE_MODEL_FILE, SAE_FILE
from model_store.manifest import Manifest, SaeKind

Float32 = NDArray[np.float32]
TYPES = {"F32": np.float32, "I64": np.int64, "I32": np.int32, "U8": np.uint8}
"""By safetensors' names."""


def read_W_dec(folder: Path, manifest: Manifest) -> Float32:  # noqa: N802 - the field's name
    """The SAE's decoder rows, [d_sae, d_model], read-only and mapped into memory.

    Raises:
        BundleCorrupt: sae.safetensors lacks a tensor, or one has another shape or is not finite.
    """
    weights = mapped_weights(folder / SAE_FILE)
    for name, shape in _sae_shapes(manifest).items():
        _check_tensor(weights, name, shape)
    return weights["W_dec"]


def check_base_model(folder: Path) -> None:
    """Refuse a base_model.safetensors that holds no weights.

    Raises:
        BundleCorrupt: it is not a safetensors file or is empty.
    """
    if not _tensor_names(folder / BASE_MODEL_FILE):
        raise BundleCorrupt(BASE_MODEL_FILE, "holds no tensor")


def mapped_weights(path: Path) -> dict[str, Float32]:
    """Every float32 tensor of the file by name, read-only views of the mapped file.

    safetensors' own numpy reader copies; every replica process would hold its own copy.

    Raises:
        BundleCorrupt: not a safetensors file.
    """
    found = mapped_tensors(path)
    return {name: tensor for name, tensor in found.items() if tensor.dtype == np.float32}


def mapped_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Every tensor of a type in TYPES by name, read-only views of the mapped file.

    Raises:
        BundleCorrupt: not a safetensors file.
    """
    names = _tensor_names(path)
    contents = np.memmap(path, dtype=np.uint8, mode="r")
    header_size = int.from_bytes(contents[:8].tobytes(), "little")
    header = json.loads(contents[8 : 8 + header_size].tobytes())
    data = np.asarray(contents)[8 + header_size :]
    return {name: _view(data, header[name]) for name in names if header[name]["dtype"] in TYPES}


def _view(data: NDArray[np.uint8], entry: dict[str, Any]) -> NDArray[Any]:
    start, end = entry["data_offsets"]
    return data[start:end].view(TYPES[entry["dtype"]]).reshape(entry["shape"])


def _tensor_names(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="numpy") as file:
            return list(file.keys())
    except SafetensorError as error:
        raise BundleCorrupt(path.name, f"not a safetensors file: {error}") from None


def _sae_shapes(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    d_model, d_sae = manifest.base_model.d_model, manifest.sae.d_sae
    shapes: dict[str, tuple[int, ...]] = {
        "W_enc": (d_model, d_sae),
        "b_enc": (d_sae,),
        "W_dec": (d_sae, d_model),
        "b_dec": (d_model,),
    }
    if manifest.sae.kind is SaeKind.JUMPRELU:
        shapes["threshold"] = (d_sae,)
    return shapes


def _check_tensor(weights: dict[str, Float32], name: str, shape: tuple[int, ...]) -> None:
    if name not in weights:
        raise BundleCorrupt(SAE_FILE, f"lacks the float32 tensor {name}")
    if weights[name].shape != shape:
        raise BundleCorrupt(SAE_FILE, f"{name} is {weights[name].shape}, the manifest says {shape}")
    if not np.isfinite(weights[name]).all():
        raise BundleCorrupt(SAE_FILE, f"{name} holds a value that is not finite")
