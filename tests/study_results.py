"""Made-up results of a whole study, in the study's own classes: for tests of what reads them."""

import numpy as np

from model_store.cards import Band, DosePoint
from training.study.base import BaseStudy, Published, Quality, Spread, Trained
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
from training.study.interpretation_results import (
    BestDirection,
    Comparison,
    FeatureExample,
    InterpretationStudy,
    SetMeasures,
    TargetMeasures,
)
from training.study.labels import HeldOutLabel, LabelsOfSource, LabelsStudy
from training.study.promise import (
    BROKEN,
    KEPT,
    UNATTAINABLE,
    Promise,
    PromisedGroup,
    PromiseStudy,
)
from training.study.report.results import DataFacts, Origin, StudyResults
from training.study.selection import SaeRow
from training.study.suppression import (
    ADD,
    RERANK,
    SCALE,
    AttributeSuppression,
    Suppressed,
    SuppressionPath,
    SuppressionStudy,
)
from training.study.sweep import Selected, StablePair, SweepStudy

ATTRIBUTES = ("genre=Horror", "genre=Children's", "genre=Film-Noir", "decade=1950s")
TARGETS = ("last item", "next item", "history share")
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


def sample() -> StudyResults:
    """Every part, with figures that look like real ones."""
    return StudyResults(
        origin=Origin(
            command="steerrec study --data ml-1m --files ml-1m --out out",
            code_commit="0123456789abcdef0123",
            seeds=(0, 1, 2),
            machine="a processor, 2 cores, 8 GiB, Python 3.11.7, torch 2.13.0",
            started="2026-11-24T06:00:00+00:00",
            settings="seeds: [0, 1, 2]\n",
        ),
        data=DataFacts("ml-1m", 6040, 3706, 1_000_209, 6040, {"genre": 18, "decade": 9}),
        seconds={"sweep": 3000.0, "interpretation": 312.0, "labels": 60.0, "frontier": 601.0},
        base=base(),
        sweep=sweep(),
        interpretation=interpretation(),
        labels=labels(),
        frontier=frontier(),
        doses=doses(),
        suppression=suppression(),
        cards=cards(),
        promise=promise(),
    )


def base() -> BaseStudy:
    """Three seeds beside one published model."""
    qualities = [Quality(0.19 + 0.001 * seed, 0.32 + 0.001 * seed) for seed in range(3)]
    return BaseStudy(
        n_users=6040,
        models=tuple(Trained(s, q, q, 60, 50, 29.0, 28.0) for s, q in enumerate(qualities)),
        validation_ndcg=Spread(0.191, 0.001),
        test_ndcg=Spread(0.191, 0.001),
        test_hit_rate=Spread(0.321, 0.001),
        popularity=Quality(0.0205, 0.0412),
        published=(Published("SASRec, 3,000 negatives", Quality(0.1857, 0.3159), "a paper"),),
        is_at_level=True,
    )


def sweep() -> SweepStudy:
    """Twenty autoencoders after block 2, one after each other hook."""
    counted = [(kind, k) for kind in ("topk", "batchtopk") for k in (16, 24, 32, 48)]
    rows = [_sae_row(kind, k, None, "block 2", factor) for kind, k in counted for factor in (8, 16)]
    rows += [_sae_row("relu", None, weight, "block 2", 16) for weight in (0.005, 0.04)]
    rows += [_sae_row("jumprelu", None, weight, "block 2", 16) for weight in (0.0004, 0.003)]
    rows += [_sae_row("topk", 32, None, hook, 16) for hook in ("block 1", "final norm")]
    chosen = next(row for row in rows if (row.kind, row.k, row.d_sae) == ("topk", 32, 1024))
    return SweepStudy(
        validation_ndcg_at_10=0.192,
        d_model=64,
        n_blocks=2,
        n_positions=200_000,
        n_moments=20_000,
        n_values=40,
        n_users=6040,
        rows=tuple(rows),
        stability=(StablePair("topk", 2, 1024, 32, 0, 1, 0.47),),
        kept_goal=0.985,
        dead_goal=0.01,
        selected=Selected(chosen, True, True, 0.1832, 0.9874),
        rule="The least L0 that keeps 98.5 %; then the most interpretable.",
    )


def interpretation() -> InterpretationStudy:
    """Three sets on three targets."""
    return InterpretationStudy(
        n_rows=20_000,
        n_users=6040,
        n_values=len(ATTRIBUTES),
        n_values_left_out=0,
        strongest_share=0.01,
        random_similarity_by_attributes=0.19,
        random_similarity_by_co_occurrence=0.11,
        sets=(
            _set("SAE", 1024, 0.84),
            _set("hidden dimensions", 128, 0.80),
            _set("random 1,024", 1024, 0.82),
        ),
        comparisons=(
            _comparison("mean best AUC", "hidden dimensions", 0.84, 0.80, 0.001),
            _comparison("mean best precision", "hidden dimensions", 0.71, 0.52, 0.001),
            _comparison("mean best AUC", "random directions", 0.84, 0.845, 0.4),
        ),
        verdict=("The claim holds for precision.", "It does not hold for mean AUC."),
        features=(),
        examples=tuple(
            FeatureExample(
                feature_index=100 + place,
                attribute=name,
                roc_auc=0.91,
                r=0.6,
                precision=0.88,
                carried_share=0.1,
                density=0.02,
                items=tuple(f"A film of {name} {number} (1987)" for number in range(10)),
            )
            for place, name in enumerate(ATTRIBUTES)
        ),
    )


def labels() -> LabelsStudy:
    """Two labels from two sources."""
    sources = ("all", "attribute", "co_occurrence")
    return LabelsStudy(
        n_features=1024,
        n_dead=1,
        n_rows=20_000,
        n_users=6040,
        by_source=tuple(LabelsOfSource(s, 900, 0.93, 0.21, 0.71, 0.5, 0.18, 0.64) for s in sources),
        labels=(
            HeldOutLabel(3, "genre=Horror", "attribute", 0.91, 0.89, 0.93, 0.31, True, True),
            HeldOutLabel(4, "Alien; Aliens", "titles", 0.66, 0.6, 0.7, None, True, False),
        ),
    )


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


def _sae_row(kind: str, k: int | None, penalty: float | None, hook: str, factor: int) -> SaeRow:
    l0 = float(k) if k is not None else 20 + 0.02 / (penalty or 1)
    return SaeRow(
        kind=kind,
        block={"block 1": 1, "block 2": 2}.get(hook, 3),
        hook=hook,
        d_sae=64 * factor,
        width_factor=factor,
        k=k,
        penalty=penalty,
        seed=0,
        fvu=0.6 / l0,
        cosine=1 - 0.3 / l0,
        l0=l0,
        dead_share=0.002,
        ndcg_kept_share=1 - 0.4 / l0,
        ndcg_kept_low=0.99 - 0.4 / l0,
        ndcg_kept_high=1.01 - 0.4 / l0,
        interpretability=0.84,
        train_s=61.0,
    )


def _set(name: str, n: int, area: float) -> SetMeasures:
    return SetMeasures(
        name=name,
        n_directions=n,
        n_constant=0,
        targets=tuple(
            TargetMeasures(
                target=target,
                mean_best_auc=area,
                mean_best_auc_picked=area + 0.01,
                covered={"0.8": 3, "0.9": 1},
                mean_best_precision=0.7,
                precise={"0.9": 1},
                purity=0.3,
                own_purity=0.2,
                discovered_share=0.5,
            )
            for target in TARGETS
        ),
        similarity_by_attributes=0.3,
        similarity_by_co_occurrence=0.25,
        predicted_share=0.12,
        best=tuple(
            BestDirection(a, t, 5, area, area - 0.02, area + 0.02, 0.4, 0.001, 0.7, 0.1)
            for t in TARGETS
            for a in ATTRIBUTES
        ),
    )


def _comparison(measure: str, other: str, one: float, theirs: float, q: float) -> Comparison:
    by = one - theirs
    ends = (theirs - 0.01, theirs + 0.01)
    return Comparison(
        measure, TARGETS[0], "SAE", other, one, theirs, *ends, 3, by, by - 0.02, by + 0.02, q
    )


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
