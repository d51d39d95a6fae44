"""Made-up results of the parts that steer, in the study's own classes."""

import numpy as np

from model_store.cards import Band, DosePoint
from training.study.cards import CardsStudy, ShownCard, ShownResponse, SideEffect
from training.study.doses import EDITS, AttributeDoses, DoseCurve, DosesStudy
from training.study.frontier import (
    AttributeFrontier,
    Frontier,
    FrontierStudy,
    Kept,
    MeanOverRerank,
    RivalSummary,
)
from training.study.promise import (
    BROKEN,
    KEPT,
    UNATTAINABLE,
    Promise,
    PromisedGroup,
    PromiseStudy,
)
from training.study.suppression import (
    ADD,
    RERANK,
    SCALE,
    AttributeSuppression,
    Suppressed,
    SuppressionPath,
    SuppressionStudy,
)

ATTRIBUTES = ("genre=Horror", "genre=Children's", "genre=Film-Noir", "decade=1950s")
RIVALS = {
    "re-rank": ("re-rank", 0.0),
    "30 features imitating": ("sae", -0.005),
    "best feature": ("sae", -0.06),
    "features + re-rank": ("hybrid", 0.012),
    "embedding difference": ("probe", -0.03),
    "one random direction": ("control", -0.2),
    "calissta": ("calibration", -0.02),
}
WANTED = {"x1.5": 0.05, "x2": 0.08, "+10": 0.1, "+25": 0.25}


def frontier() -> FrontierStudy:
    """Seven rivals on four attributes."""
    summaries = [
        RivalSummary(
            rival=rival,
            kind=kind,
            at=tuple(MeanOverRerank(w, _band(over), 4, int(over > 0), 0) for w in WANTED),
        )
        for rival, (kind, over) in RIVALS.items()
    ]
    found = [
        AttributeFrontier(
            attribute=name,
            n_items=100,
            share=0.08,
            frontiers=tuple(_path(rival, *RIVALS[rival]) for rival in RIVALS),
        )
        for name in ATTRIBUTES
    ]
    return FrontierStudy(
        block=2,
        n_choosers=3000,
        n_users=2000,
        ndcg=0.186,
        attributes=tuple(found),
        summaries=tuple(summaries),
    )


def doses() -> DosesStudy:
    """Two attributes at two hook points."""
    return DosesStudy(
        n_users=600,
        n_blocks=2,
        doses=tuple(_doses(name, block) for block in (1, 2) for name in ATTRIBUTES[:2]),
    )


def suppression() -> SuppressionStudy:
    """Two attributes; the second is never low enough by SCALE."""
    return SuppressionStudy(
        n_users=2000,
        wanted_share=0.05,
        attributes=tuple(
            AttributeSuppression(
                attribute=name,
                n_fans=200,
                history_share=0.41,
                share=0.62,
                ndcg=0.2,
                next_share=0.5,
                paths=(_suppressed(ADD), _suppressed(SCALE), _suppressed(RERANK)),
            )
            for name in ATTRIBUTES[:2]
        ),
    )


def cards() -> CardsStudy:
    """Two groups and a feature."""
    shown = [_card(name, rise) for name, rise in zip(ATTRIBUTES, (0.06, 0.03), strict=False)]
    return CardsStudy(0.9, 40, 38, 0.12, 1020, 610, 0.04, tuple(shown), (shown[0],))


def promise() -> PromiseStudy:
    """Of four groups the last breaks its promise; none reaches 25 points."""
    kept = [name != ATTRIBUTES[-1] for name in ATTRIBUTES]
    groups = tuple(map(_promised, ATTRIBUTES, kept))
    return PromiseStudy(2000, 2014, 0.03, 4, 0.75, 4, 0.75, 4, 0.018, -0.01, groups)


def _promised(attribute: str, is_kept: bool) -> PromisedGroup:
    measured = _band(0.19 if is_kept else 0.13)
    status = KEPT if is_kept else BROKEN
    promises = (
        Promise(attribute, 0.1, status, 1.4, 0.18, measured, 0.97, _band(0.96)),
        Promise(attribute, 0.25, UNATTAINABLE, None, 0.33, None, None, None),
    )
    return PromisedGroup(attribute, 0.08, _band(0.085), is_kept, promises)


def _path(rival: str, kind: str, over: float) -> Frontier:
    strengths = np.linspace(0, 1, 9)
    shares = 0.08 + 0.5 * strengths
    kept = 1 - 0.7 * strengths**2 + 3 * over * strengths
    return Frontier(
        rival=rival,
        kind=kind,
        strengths=tuple(strengths.tolist()),
        shares=tuple(shares.tolist()),
        kept_shares=tuple(kept.tolist()),
        at=tuple(Kept(w, _band(1 - rise + over), _band(over)) for w, rise in WANTED.items()),
    )


def _band(value: float) -> Band:
    return Band(value, value - 0.01, value + 0.01)


def _card(title: str, rise: float) -> ShownCard:
    responses = tuple(_response(operation, title, rise) for operation in ("SCALE", "ADD"))
    return ShownCard(title, 30, None, "", 2 * rise, responses)


def _response(operation: str, attribute: str, rise: float) -> ShownResponse:
    strengths = np.array([-2.0, -1, 0, 1, 2, 4] if operation == "ADD" else [0.0, 1, 2, 8])
    points = [
        DosePoint(
            strength=strength,
            share_at_10=_band(0.09 + rise * strength),
            share_at_20=_band(0.08 + rise * strength),
            ndcg_kept_share=_band(1 - 0.02 * strength**2),
            overlap_at_20=_band(1 - 0.1 * abs(strength)),
            popularity_shift=_band(-0.01),
            diversity_shift=_band(0.02),
        )
        for strength in strengths.tolist()
    ]
    random = tuple(_band(0.08) for _ in points)
    sides = (SideEffect("genre=Comedy", _band(-0.03)),)
    return ShownResponse(operation, attribute, 2000, tuple(points), random, 4, 0.3, 1, sides)


def _doses(name: str, block: int) -> AttributeDoses:
    ways = [(o, p) for p in ("last", "all")[: 3 - block] for o in ("ADD", "SCALE")]
    curves = [_curve(*way, edit) for way in ways for edit in EDITS]
    return AttributeDoses(name, block, 30, 0.08, 0.19, 0.3, tuple(curves))


def _curve(operation: str, positions: str, edit: str) -> DoseCurve:
    strengths = np.array([0.0, 0.5, 2, 4, 8] if operation == "SCALE" else [0.5, 1, 2, 3, 4])
    rise = {"group": 0.1, "wrong sign": -0.02, "random directions": 0.005}.get(edit, 0.04)
    shares = np.clip(0.08 + rise * strengths, 0, 1)
    return DoseCurve(
        positions=positions,
        operation=operation,
        edit=edit,
        strengths=tuple(strengths.tolist()),
        norm_shares=tuple((0.1 * strengths).tolist()),
        shares=tuple(map(_band, shares.tolist())),
        kept_shares=tuple((1 - 0.05 * strengths).tolist()),
    )


def _suppressed(method: str) -> SuppressionPath:
    strengths = np.linspace(0, 8, 9)
    lowest = 0.2 if method == SCALE else 0.02
    shares = lowest + (0.62 - lowest) * np.exp(-strengths)
    kept = 0.4 + 0.6 * np.exp(-strengths)
    there = None if method == SCALE else Suppressed(-3, _band(0.04), _band(0.43), _band(0.9))
    return SuppressionPath(
        method=method,
        strengths=tuple(strengths.tolist()),
        shares=tuple(shares.tolist()),
        kept_shares=tuple(kept.tolist()),
        reached=there,
    )
