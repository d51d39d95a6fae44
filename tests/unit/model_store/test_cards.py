"""Feature cards as written and read."""

import pytest
from pydantic import ValidationError

from model_store.cards import (
    AttributeValue,
    Band,
    DosePoint,
    DoseResponse,
    FeatureCard,
    LabelEvidence,
    LabelSource,
    OffTarget,
)

HORROR = AttributeValue(name="genre", value="Horror")
BAND = Band(0.2, 0.1, 0.3)


def response() -> DoseResponse:
    return DoseResponse(
        operation="ADD",
        attribute=HORROR,
        n_users=10,
        points=(DosePoint(1.0, BAND, BAND, BAND, BAND, BAND, BAND),),
        random_share_at_20=(BAND,),
        inactive_share=0.5,
        off_target_strength=1.0,
        off_target=(OffTarget(attribute=HORROR, share_change=BAND),),
    )


def test_a_card_from_before_effects_is_read() -> None:
    card = FeatureCard.model_validate_json(
        '{"feature_index": 3, "reference_activation": 1, "density": 0}'
    )
    assert (card.effects, card.label_evidence) == ((), None)


def test_a_card_with_effects_comes_back_as_written() -> None:
    evidence = LabelEvidence(source=LabelSource.ATTRIBUTE, attribute=HORROR)
    card = FeatureCard(
        feature_index=0,
        reference_activation=1,
        density=0.1,
        label_evidence=evidence,
        effects=(response(),),
    )
    assert FeatureCard.model_validate_json(card.model_dump_json()) == card


def test_a_band_with_an_unknown_field_is_refused() -> None:
    written = response().model_dump()
    written["random_share_at_20"][0]["middle"] = 0.2
    with pytest.raises(ValidationError, match="middle"):
        DoseResponse.model_validate(written)
