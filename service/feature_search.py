"""Finding features by words: labels, attributes, titles of the items that make them active."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz, process
from rapidfuzz.utils import default_process

from model_store.bundle import Bundle
from model_store.cards import FeatureCard

TITLE_WEIGHT = 0.9
"""A label or an attribute says more of a feature than one of its items does."""
CUTOFF = 65.0
"""Similarity, of 100, below which nothing is found."""


class Mention(NamedTuple):
    """One phrase that speaks of a feature."""

    feature: int
    weight: float
    """Of the phrase's kind, 0..1."""
    strength: float
    """Among phrases that match alike, the larger first."""


class FeatureSearch:
    """The phrases of one bundle's feature cards."""

    def __init__(self, bundle: Bundle) -> None:
        mentions: dict[str, list[Mention]] = defaultdict(list)
        for card in bundle.cards.features:
            for phrase, mention in _mentions(card, bundle):
                mentions[default_process(phrase)].append(mention)
        mentions.pop("", None)
        self._mentions = dict(mentions)
        self._phrases = list(self._mentions)

    def best(self, query: str, count: int) -> Sequence[int]:
        """Up to `count` feature indices, best match first; ties: the smaller index first."""
        ranked: dict[int, tuple[float, float]] = {}
        for phrase, similarity, _ in process.extract_iter(
            default_process(query), self._phrases, scorer=fuzz.WRatio, score_cutoff=CUTOFF
        ):
            for feature, weight, strength in self._mentions[phrase]:
                found = (weight * similarity, strength)
                ranked[feature] = max(found, ranked.get(feature, found))
        near = [feature for feature, (score, _) in ranked.items() if score >= CUTOFF]
        return sorted(near, key=lambda f: (-ranked[f][0], -ranked[f][1], f))[:count]


def _mentions(card: FeatureCard, bundle: Bundle) -> Iterator[tuple[str, Mention]]:
    index = card.feature_index
    if card.label:
        yield card.label, Mention(index, 1.0, 1.0)
    for association in card.attributes:
        attribute = association.attribute
        mention = Mention(index, 1.0, association.roc_auc)
        yield attribute.value, mention
        yield f"{attribute.name} {attribute.value}", mention
    catalogue = bundle.catalogue
    for item in card.top_items:
        title = catalogue.titles[catalogue.index_of[item.item_id]]
        yield title, Mention(index, TITLE_WEIGHT, item.activation)
