"""Made-up results of a whole study, in the study's own classes: for tests of what reads them."""

from tests.control_results import ATTRIBUTES, cards, doses, frontier, promise, suppression
from training.study.base import BaseStudy, Published, Quality, Spread, Trained
from training.study.interpretation_results import (
    BestDirection,
    Comparison,
    FeatureExample,
    InterpretationStudy,
    SetMeasures,
    TargetMeasures,
)
from training.study.labels import HeldOutLabel, LabelsOfSource, LabelsStudy
from training.study.report.results import DataFacts, Origin, StudyResults
from training.study.selection import SaeRow
from training.study.sweep import Selected, StablePair, SweepStudy

TARGETS = ("last item", "next item", "history share")


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
