"""What the interpretation study keeps of a set of directions."""

import numpy as np
import numpy.typing as npt

from training.study.directions import DirectionSet, live
from training.study.interpretation_results import BestDirection, SetMeasures, TargetMeasures
from training.study.judging import (
    AREA,
    BY_ATTRIBUTES,
    BY_READERS,
    OWN_PURITY,
    PRECISION,
    PURITY,
    R2,
    Figures,
    Scores,
    best_areas,
    picked_and_scored,
)
from training.study.question import TARGETS, Question
from training.study.separation import correlations, p_values, q_values

FALSE_DISCOVERY_RATE = 0.05
BOUNDS = (0.5, 0.8, 0.9)
"""Of ROC AUC and of precision, at which values are counted."""

Floats = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]


def set_measures(
    directions: DirectionSet, found: Scores, measured: Figures, asked: Question
) -> SetMeasures:
    """What the study keeps of a set."""
    r, q = significance(directions.activations, asked)
    return SetMeasures(
        name=directions.name,
        n_directions=directions.n,
        n_constant=directions.n - len(live(directions)),
        targets=tuple(_target(found, measured, q, target, asked) for target in TARGETS),
        similarity_by_attributes=measured[BY_ATTRIBUTES, ""].value,
        similarity_by_co_occurrence=measured[BY_READERS, ""].value,
        predicted_share=measured[R2, ""].value,
        best=tuple(
            best
            for target in TARGETS
            for best in _best_directions(directions.activations, found, r, q, target, asked)
        ),
    )


def significance(activations: Float32, asked: Question) -> tuple[Floats, Floats]:
    """r and q of every direction and label on the half that scores, [n, 3 n_values] each.

    q is corrected over all directions and values of one target.
    """
    scoring, labels = activations[~asked.picks], asked.labels[~asked.picks]
    p = p_values(scoring, labels, asked.moments.users[~asked.picks])
    q = np.concatenate([q_values(p[:, asked.columns(target)]) for target in TARGETS], axis=1)
    return correlations(scoring, labels), q


def _target(
    found: Scores, measured: Figures, q: Floats, target: str, asked: Question
) -> TargetMeasures:
    at = asked.columns(target)
    precise = picked_and_scored(found.picked_precision, found.precision, at)[1]
    areas = picked_and_scored(found.picked_auc, found.auc, at)[1]
    return TargetMeasures(
        target=target,
        mean_best_auc=measured[AREA, target].value,
        mean_best_auc_picked=float(found.picked_auc[:, at].max(0).mean()),
        covered=_counts(areas),
        mean_best_precision=measured[PRECISION, target].value,
        precise=_counts(precise),
        purity=measured[PURITY, target].value,
        own_purity=measured[OWN_PURITY, target].value,
        discovered_share=float((q[:, at] <= FALSE_DISCOVERY_RATE).mean()),
    )


def _counts(values: Floats) -> dict[str, int]:
    return {f"{bound:g}": int((values >= bound).sum()) for bound in BOUNDS}


def _best_directions(
    activations: Float32, found: Scores, r: Floats, q: Floats, target: str, asked: Question
) -> list[BestDirection]:
    best = best_areas(activations, found, target, asked)
    low, high = np.clip(np.quantile(best.drawn, [0.025, 0.975], axis=0), 0, 1)
    carried = asked.labels[~asked.picks].mean(0)
    start = asked.columns(target).start
    return [
        BestDirection(
            attribute=name,
            target=target,
            direction=int(d),
            roc_auc=float(best.values[v]),
            roc_auc_low=float(low[v]),
            roc_auc_high=float(high[v]),
            r=float(r[d, start + v]),
            q=float(q[d, start + v]),
            precision=float(found.precision[d, start + v]),
            carried_share=float(carried[start + v]),
        )
        for v, (name, d) in enumerate(zip(asked.values, best.directions, strict=True))
    ]
