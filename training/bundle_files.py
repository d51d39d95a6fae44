"""Writing the files of a bundle (ADR 0003) from trained models; the manifest comes later."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from model_store.cards import CARDS_FILE, FeatureCards
from model_store.catalogue import CatalogueItem, catalogue_of, write_catalogue
from model_store.catalogue_columns import write_columns
from model_store.files import (
    BASE_MODEL_FILE,
    CATALOGUE_COLUMNS_FILE,
    CATALOGUE_FILE,
    GOLDEN_FILE,
    SAE_FILE,
    file_entry,
)
from model_store.golden import Golden
from model_store.manifest import BaseModelShape, SaeKind, SaeShape
from training.batches import Items, left_padded
from training.dataset import Dataset
from training.errors import Diverged, SaeUnusable
from training.export import write_graphs
from training.metrics import popularity_scores
from training.outputs import Writer
from training.sae import Sae
from training.sasrec import Cut, Sasrec
from training.scan import write_scan
from training.storage import replace_file

LARGE_CATALOGUE = 60_000
"""Items from which the int8 scan ranks, whatever their width, and the catalogue is written by
columns too (ADR 0011)."""
WIDE_CATALOGUE = 20_000
"""Items from which it does where their vectors are WIDE_VECTORS together."""
WIDE_VECTORS = 3_400_000
"""Components of all items from which it costs no more for a history alone, and less in batches."""
SAE_TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec")
GOLDEN_K = 10
GOLDEN_ATOL = 1e-3
GOLDEN_RTOL = 2e-6
"""Of the largest score or activation: some 16 times the rounding of float32."""
GOLDEN_LARGEST_ATOL = 0.1
"""That the bundle's schema allows."""
GOLDEN_FEATURES = 3
GOLDEN_DOSES = (2.0, 16.0, 128.0)
"""Reference units added to each of the golden features: the first that moves a score enough."""
GOLDEN_MARGIN = 2
"""How many times `atol` a score must move: a replica refuses a request that proves nothing."""
NO_EFFECT = "the SAE's most active features change no score of the base model"
GOLDEN_LENGTHS = (1, 2, 7, 50, 10_000)


def write_bundle_files(
    folder: Path,
    model: Sasrec,
    sae: Sae,
    block: int,
    cards: FeatureCards,
    dataset: Dataset,
    train: Sequence[Items],
) -> None:
    """Writes every file of the bundle but the manifest into an empty folder."""
    model, sae = model.cpu().eval(), sae.cpu().eval()
    save_model(folder / BASE_MODEL_FILE, model)
    is_large = is_scanned(model.shape)
    write_graphs(folder, model, sae, block, folder / BASE_MODEL_FILE if is_large else None)
    if is_large:
        write_scan(folder, model, block)
    save_sae(folder / SAE_FILE, sae)
    (folder / CARDS_FILE).write_text(cards.model_dump_json(), encoding="utf-8")
    _write_catalogue(folder, catalogue_items(dataset, train))
    golden = golden_request(model, sae, block, cards, golden_histories(train))
    (folder / GOLDEN_FILE).write_text(golden.model_dump_json(), encoding="utf-8")


def _write_catalogue(folder: Path, items: Sequence[CatalogueItem]) -> None:
    path = folder / CATALOGUE_FILE
    write_catalogue(path, items)
    if len(items) >= LARGE_CATALOGUE:
        source = file_entry(path).sha256
        write_columns(folder / CATALOGUE_COLUMNS_FILE, catalogue_of(items), source)


def is_scanned(shape: BaseModelShape) -> bool:
    """Whether a bundle of this shape is ranked by the int8 scan."""
    is_wide = shape.n_items * shape.d_model >= WIDE_VECTORS and shape.n_items >= WIDE_CATALOGUE
    return is_wide or shape.n_items >= LARGE_CATALOGUE


def save_model(path: Path, model: Sasrec) -> None:
    """Writes the transformer's weights."""
    replace_file(path, writer_of_model(model))


def writer_of_model(model: Sasrec) -> Writer:
    """Writes the transformer's weights into an open file."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return lambda file: file.write(save(tensors))


def load_model(path: Path, shape: BaseModelShape) -> Sasrec:
    """The transformer with these weights, ready to score."""
    model = Sasrec(shape)
    model.load_state_dict(load_file(path))
    return model.eval()


def save_sae(path: Path, sae: Sae) -> None:
    """Writes the autoencoder's weights, its normalisation folded in."""
    replace_file(path, writer_of_sae(sae))


def writer_of_sae(sae: Sae) -> Writer:
    """Writes the autoencoder's weights into an open file."""
    names = (*SAE_TENSORS, "threshold") if sae.shape.kind is SaeKind.JUMPRELU else SAE_TENSORS
    tensors = {name: getattr(sae, name).detach().contiguous() for name in names}
    return lambda file: file.write(save(tensors))


def writer_of_text(text: str) -> Writer:
    """Writes UTF-8 text into an open file."""
    return lambda file: file.write(text.encode())


def load_sae(path: Path, shape: SaeShape) -> Sae:
    """The autoencoder with these weights; a threshold that they lack is the shape's."""
    tensors = load_file(path)
    sae = Sae(shape, tensors["b_dec"].shape[0])
    sae.load_state_dict({"threshold": sae.threshold, **tensors})
    return sae.eval()


def catalogue_items(dataset: Dataset, train: Sequence[Items]) -> list[CatalogueItem]:
    """The catalogue, in order of item index."""
    counts = popularity_scores(train, dataset.n_items)[1:].astype(int).tolist()
    return [
        CatalogueItem(
            item_id=item.item_id,
            title=item.title,
            attributes={name: tuple(values) for name, values in item.attributes.items()},
            count=count,
        )
        for item, count in zip(dataset.items, counts, strict=True)
    ]


def golden_histories(train: Sequence[Items]) -> list[Items]:
    """Real histories of mixed lengths: one item, short, full."""
    longest = max(train, key=len)
    return [longest[:length] for length in sorted({min(n, len(longest)) for n in GOLDEN_LENGTHS})]


@torch.no_grad()
def golden_request(
    model: Sasrec, sae: Sae, block: int, cards: FeatureCards, histories: Sequence[Items]
) -> Golden:
    """The torch reference's answers to the histories, unsteered and with some features raised.

    Raises:
        SaeUnusable: no dose of them changes a score.
        Diverged: scores or activations are beyond what float32 repeats on another machine.
    """
    items = left_padded(histories, model.shape.max_seq)
    hidden = model.lower(items, Cut(block))
    plain_items, plain_scores = _best(model, hidden, items, block)
    activations = sae.encode(hidden[:, -1])
    atol = _golden_atol(activations, plain_scores)
    for dose in GOLDEN_DOSES:
        deltas = _golden_deltas(cards, dose)
        steered = hidden.clone()
        rows, values = torch.tensor(list(deltas)), torch.tensor(list(deltas.values()))
        steered[:, -1] += values @ sae.W_dec[rows]
        steered_items, steered_scores = _best(model, steered, items, block)
        if (steered_scores - plain_scores).abs().max() > GOLDEN_MARGIN * atol:
            break
    else:
        raise SaeUnusable(NO_EFFECT, "raise base.max_epochs, base.d_model or sae.steps")
    return Golden.model_validate(
        {
            "items": [history[-model.shape.max_seq :].tolist() for history in histories],
            "k": plain_items.shape[1],
            "feature_deltas": deltas,
            "atol": atol,
            "top_items": plain_items.tolist(),
            "top_scores": plain_scores.tolist(),
            "steered_top_items": steered_items.tolist(),
            "steered_top_scores": steered_scores.tolist(),
            "activations": [_non_zero(row) for row in activations],
        }
    )


def _golden_atol(activations: Tensor, scores: Tensor) -> float:
    """How far a replica's answers may be off: more where they are large, and rounded more.

    Raises:
        Diverged: they are so large that no two machines agree on them.
    """
    largest = max(float(activations.abs().max()), float(scores.abs().max()))
    if GOLDEN_RTOL * largest > GOLDEN_LARGEST_ATOL:
        reached = f"(scores or activations reach {largest:.3g})"
        raise Diverged("model", reached, "lower base.learning_rate and sae.learning_rate")
    return max(GOLDEN_ATOL, GOLDEN_RTOL * largest)


def _golden_deltas(cards: FeatureCards, dose: float) -> dict[int, float]:
    densest = sorted(cards.features, key=lambda card: -card.density)[:GOLDEN_FEATURES]
    return {card.feature_index: dose * card.reference_activation for card in densest}


def _best(model: Sasrec, hidden: Tensor, items: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Items and scores of the best slate, each [batch, k]; ties: the smaller index first."""
    scores = model.scores(model.upper(hidden, items, Cut(block))[:, -1])
    k = min(GOLDEN_K, model.shape.n_items)
    best = torch.sort(scores, dim=-1, descending=True, stable=True)
    return best.indices[:, :k], best.values[:, :k]


def _non_zero(activations: Tensor) -> dict[int, float]:
    active = np.flatnonzero(activations.numpy())
    return {int(f): float(activations[f]) for f in active}
