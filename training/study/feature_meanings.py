"""What each feature answers to, as the half of the users that did not pick it sees it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.dataset import Dataset
from training.study.directions import DirectionSet, live
from training.study.interpretation_results import (
    FeatureAssociation,
    FeatureExample,
    FeatureMeaning,
)
from training.study.judging import Scores, predicted, scores
from training.study.monosemanticity import item_means
from training.study.question import LAST, TARGETS, Question
from training.study.set_measures import significance

EXAMPLE_ITEMS = 8
SIGNIFICANT_Q = 0.05

Floats = npt.NDArray[np.float64]


def feature_meanings(features: DirectionSet, asked: Question) -> tuple[FeatureMeaning, ...]:
    """One for each feature that varies, by index."""
    found = scores(features.activations, asked)
    r, q = significance(features.activations, asked)
    density = (features.activations > 0).mean(0)
    explained, _ = predicted(features.activations, asked)
    return tuple(
        FeatureMeaning(
            feature_index=int(f),
            density=float(density[f]),
            predicted_share=None if np.isnan(explained[f]) else float(explained[f]),
            associations=tuple(
                _association(int(f), target, found, r, q, asked) for target in TARGETS
            ),
        )
        for f in live(features)
    )


def feature_examples(
    meanings: Sequence[FeatureMeaning],
    features: DirectionSet,
    asked: Question,
    dataset: Dataset,
) -> tuple[FeatureExample, ...]:
    """The clearest feature of each of the clearest attribute values, clearest first.

    Clear is: precision beyond chance, (precision - chance) / (1 - chance), against the last item.
    """
    taken: dict[str, FeatureMeaning] = {}
    for meaning in sorted(meanings, key=_clarity, reverse=True):
        if _last(meaning).q <= SIGNIFICANT_Q:
            taken.setdefault(_last(meaning).attribute, meaning)
    chosen = list(taken.values())[: asked.settings.n_examples]
    columns = features.activations[:, [meaning.feature_index for meaning in chosen]]
    means = item_means(columns, asked.moments.last_items, asked.shown)
    return tuple(
        _example(meaning, _titles(column, asked, dataset))
        for meaning, column in zip(chosen, means.T, strict=True)
    )


def _association(
    feature: int, target: str, found: Scores, r: Floats, q: Floats, asked: Question
) -> FeatureAssociation:
    at = asked.columns(target)
    value = int(found.picked_auc[feature, at].argmax())
    place = (feature, at.start + value)
    return FeatureAssociation(
        target=target,
        attribute=asked.values[value],
        roc_auc=float(found.auc[place]),
        r=float(r[place]),
        q=float(q[place]),
        precision=float(found.precision[place]),
        carried_share=float(asked.labels[~asked.picks, place[1]].mean()),
    )


def _last(meaning: FeatureMeaning) -> FeatureAssociation:
    return next(a for a in meaning.associations if a.target == LAST)


def _clarity(meaning: FeatureMeaning) -> float:
    last = _last(meaning)
    return (last.precision - last.carried_share) / max(1 - last.carried_share, 1e-9)


def _example(meaning: FeatureMeaning, titles: tuple[str, ...]) -> FeatureExample:
    last = _last(meaning)
    return FeatureExample(
        feature_index=meaning.feature_index,
        attribute=last.attribute,
        roc_auc=last.roc_auc,
        r=last.r,
        precision=last.precision,
        carried_share=last.carried_share,
        density=meaning.density,
        items=titles,
    )


def _titles(means: npt.NDArray[np.float32], asked: Question, dataset: Dataset) -> tuple[str, ...]:
    strongest = np.argsort(-means, kind="stable")[:EXAMPLE_ITEMS]
    return tuple(dataset.items[asked.shown[i] - 1].title for i in strongest if means[i] > 0)
