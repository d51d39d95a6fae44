"""What SAELens itself answers: run by its own interpreter, with a folder and nothing of ours.

It reads FOLDER/hidden.safetensors. Of each autoencoder in FOLDER/ours/NAME it writes what it
answers to FOLDER/ours/NAME.safetensors; of its own, the files to FOLDER/theirs/NAME too.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

ARCHITECTURES = ("standard", "topk", "jumprelu")
K = 4


def answer_ours(sae_lens: Any, folder: Path, hidden: torch.Tensor) -> None:
    """Loads each of ours with the library."""
    for own in sorted(path for path in folder.iterdir() if path.is_dir()):
        sae = sae_lens.SAE.load_from_disk(own)
        _write(sae, own, hidden)


def make_theirs(sae_lens: Any, folder: Path, hidden: torch.Tensor, d_sae: int) -> None:
    """Random weights of each architecture, with and without what only the library knows."""
    for architecture in ARCHITECTURES:
        for subtracts in (False, True):
            own = folder / f"{architecture}-{subtracts}"
            own.mkdir(parents=True)
            sae = _random(sae_lens, architecture, hidden.shape[1], d_sae, subtracts=subtracts)
            sae.save_model(own)
            _write(sae, own, hidden)


def _random(sae_lens: Any, architecture: str, d_in: int, d_sae: int, *, subtracts: bool) -> Any:
    options = {"k": K, "rescale_acts_by_decoder_norm": subtracts} if architecture == "topk" else {}
    shape = {"d_in": d_in, "d_sae": d_sae, "apply_b_dec_to_input": subtracts}
    sae = sae_lens.SAE.from_dict({"architecture": architecture, **shape, **options})
    torch.manual_seed(0)
    for weight in sae.parameters():
        weight.copy_(torch.randn_like(weight))
    return sae


def _write(sae: Any, own: Path, hidden: torch.Tensor) -> None:
    answers = {"activations": sae.encode(hidden), "reconstruction": sae(hidden)}
    tensors = {name: answer.contiguous() for name, answer in answers.items()}
    save_file(tensors, own.with_name(f"{own.name}.safetensors"))
    own.with_name(f"{own.name}.json").write_text(json.dumps(sae.cfg.metadata.hook_name))


def main() -> None:
    """Answers for the folder named, and the number of features of its own."""
    folder, d_sae = Path(sys.argv[1]), int(sys.argv[2])
    sae_lens = importlib.import_module("sae_lens")
    hidden = load_file(folder / "hidden.safetensors")["hidden"]
    with torch.no_grad():
        answer_ours(sae_lens, folder / "ours", hidden)
        make_theirs(sae_lens, folder / "theirs", hidden, d_sae)


if __name__ == "__main__":
    main()
