"""Small real bundles for tests: real graphs, real cards, golden answers from a numpy reference."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from model_store.cards import (
    CARDS_FILE,
    Association,
    AttributeGroup,
    AttributeValue,
    Band,
    DosePoint,
    DoseResponse,
    FeatureCard,
    FeatureCards,
    GroupMember,
    LabelEvidence,
    LabelSource,
    OffTarget,
    TopItem,
)
from model_store.catalogue import CatalogueItem, write_catalogue
from model_store.files import (
    BASE_MODEL_FILE,
    CATALOGUE_FILE,
    ENCODER_FILE,
    GOLDEN_FILE,
    LOWER_FILE,
    SAE_FILE,
    UPPER_FILE,
)
from model_store.manifest import (
    BaseModelShape,
    DataIdentity,
    EditPositions,
    HookPoint,
    Manifest,
    SaeKind,
    SaeShape,
)
from model_store.seal import seal
from tests.tiny_graphs import write_encoder, write_lower, write_upper
from tests.tiny_model import FEATURES_PER_GENRE, GENRES, TinyModel, best

TINY_VERSION = "tiny-1"
GOLDEN_K = 10
GOLDEN_DELTAS = {0: 2.0, 4: -1.5}


def tiny_bundle(
    folder: Path,
    model: TinyModel | None = None,
    *,
    version: str = TINY_VERSION,
    created_at: datetime = datetime(2026, 1, 1, tzinfo=UTC),
) -> Manifest:
    """Write every file of a small bundle into `folder`, and return its manifest, not yet written.

    `Store(root).publish(folder, tiny_bundle(folder))` publishes it. Item i is called "i<i>".
    Features 0..2 carry genre=Horror, 3..5 Comedy, 6..8 Documentary, 9..11 Children's, and the
    last one is dead.

    Args:
        folder: made if it does not exist.
        model: sizes, hook point and seed; by default `TinyModel()`.
        version: name of the bundle.
        created_at: decides which of two bundles is the newer.
    """
    model = model or TinyModel()
    folder.mkdir(parents=True, exist_ok=True)
    write_lower(folder / LOWER_FILE, model)
    write_encoder(folder / ENCODER_FILE, model)
    write_upper(folder / UPPER_FILE, model)
    _write_weights(folder, model)
    write_catalogue(folder / CATALOGUE_FILE, _items(model))
    (folder / CARDS_FILE).write_text(_cards(model).model_dump_json())
    (folder / GOLDEN_FILE).write_text(json.dumps(golden(model)))
    return sealed(folder, model, version=version, created_at=created_at)


def sealed(
    folder: Path,
    model: TinyModel,
    *,
    version: str | None = TINY_VERSION,
    created_at: datetime = datetime(2026, 1, 1, tzinfo=UTC),
) -> Manifest:
    """The manifest of a folder that holds the model's files, perhaps altered since."""
    is_last = model.hook_block >= model.n_blocks
    return seal(
        folder,
        base_model=BaseModelShape(
            n_items=model.n_items,
            max_seq=model.max_seq,
            d_model=model.d_model,
            n_blocks=model.n_blocks,
            n_heads=1,
        ),
        hook_point=HookPoint(
            block=model.hook_block,
            positions=EditPositions.LAST if is_last else EditPositions.ALL,
        ),
        sae=SaeShape(kind=SaeKind.TOPK, d_sae=model.d_sae, k=model.sae_k),
        data=DataIdentity(name="tiny", sha256="0" * 64, n_users=20, n_interactions=100),
        metrics={"ndcg_at_10": 0.1},
        version=version,
        created_at=created_at,
    )


def golden(model: TinyModel) -> dict[str, object]:
    """Contents of golden.json, computed by the numpy reference."""
    histories = model.histories(4)
    unsteered = [model.scores(model.hidden(history)) for history in histories]
    steered = [model.steered(history, GOLDEN_DELTAS) for history in histories]
    last = [model.activations(model.hidden(history))[-1] for history in histories]
    top, steered_top = (
        [best(scores, GOLDEN_K) for scores in rows] for rows in (unsteered, steered)
    )
    return {
        "items": histories,
        "k": GOLDEN_K,
        "feature_deltas": GOLDEN_DELTAS,
        "atol": 1e-4,
        "top_items": top,
        "top_scores": [row[at].tolist() for row, at in zip(unsteered, top, strict=True)],
        "steered_top_items": steered_top,
        "steered_top_scores": [
            row[at].tolist() for row, at in zip(steered, steered_top, strict=True)
        ],
        "activations": [{int(i): float(row[i]) for i in np.flatnonzero(row)} for row in last],
    }


def _write_weights(folder: Path, model: TinyModel) -> None:
    names = ("item_embeddings", "position_embeddings", "mixers")
    save_file(_float32(model, names), folder / BASE_MODEL_FILE)
    save_file(_float32(model, ("W_enc", "b_enc", "W_dec", "b_dec")), folder / SAE_FILE)


def _float32(model: TinyModel, names: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    return {name: np.ascontiguousarray(getattr(model, name), dtype=np.float32) for name in names}


def _items(model: TinyModel) -> list[CatalogueItem]:
    counts = np.random.default_rng(model.seed).integers(0, 100, size=model.n_items + 1).tolist()
    return [
        CatalogueItem(
            item_id=f"i{index}",
            title=f"Item {index}",
            attributes={"genre": model.genres(index)},
            count=counts[index],
        )
        for index in range(1, model.n_items + 1)
    ]


def _cards(model: TinyModel) -> FeatureCards:
    hidden = np.concatenate([model.hidden(history) for history in model.histories(200)])
    activations = model.activations(hidden)
    cards = tuple(_card(index, column) for index, column in enumerate(activations.T))
    groups = (_group(genre, cards) for genre in sorted(GENRES))
    return FeatureCards(features=cards, groups=tuple(group for group in groups if group))


def _card(index: int, activations: NDArray[np.float64]) -> FeatureCard:
    active = activations[activations > 0]
    genre = GENRES[index // FEATURES_PER_GENRE] if index < 12 and active.size else None
    return FeatureCard(
        feature_index=index,
        label=genre or "",
        reference_activation=float(np.percentile(active, 99)) if active.size else 0.0,
        density=active.size / activations.size,
        attributes=(_association(genre),) if genre else (),
        top_items=(TopItem(item_id=f"i{index + 1}", activation=1.0),) if genre else (),
        label_evidence=_evidence(genre) if genre else None,
        effects=(effect(genre),) if genre else (),
    )


def effect(genre: str) -> DoseResponse:
    """What ADD is said to do to the genre: made up, in proportion to the strength."""
    none, other = Band(0, 0, 0), GENRES[genre == GENRES[0]]
    return DoseResponse(
        operation="ADD",
        attribute=AttributeValue(name="genre", value=genre),
        n_users=20,
        points=tuple(_point(strength) for strength in (-1.0, 0.0, 1.0, 2.0)),
        random_share_at_20=(none,) * 4,
        saturation_strength=1.0,
        inactive_share=0.25,
        off_target_strength=1.0,
        off_target=(
            OffTarget(attribute=AttributeValue(name="genre", value=other), share_change=none),
        ),
    )


def _point(strength: float) -> DosePoint:
    share = Band(0.2 + 0.1 * strength, 0.1 + 0.1 * strength, 0.3 + 0.1 * strength)
    kept, none = Band(0.9, 0.8, 1.0), Band(0, 0, 0)
    return DosePoint(strength, share, share, kept, kept, none, none)


def _evidence(genre: str) -> LabelEvidence:
    attribute = AttributeValue(name="genre", value=genre)
    return LabelEvidence(
        source=LabelSource.ATTRIBUTE, attribute=attribute, measure="lift", value=3.0
    )


def _association(genre: str) -> Association:
    attribute = AttributeValue(name="genre", value=genre)
    return Association(attribute=attribute, roc_auc=0.9, roc_auc_low=0.85, roc_auc_high=0.95)


def _group(genre: str, cards: tuple[FeatureCard, ...]) -> AttributeGroup | None:
    live = [card.feature_index for card in cards if card.label == genre]
    if not live:
        return None
    shares = np.arange(len(live), 0, -1) / np.arange(len(live) + 1).sum()
    members = (
        GroupMember(feature_index=index, weight=share)
        for index, share in zip(live, shares.tolist(), strict=True)
    )
    attribute = AttributeValue(name="genre", value=genre)
    return AttributeGroup(attribute=attribute, members=tuple(members), effects=(effect(genre),))
