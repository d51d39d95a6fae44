"""Are SAE features more interpretable than other directions? One half of users picks, one scores.

The best of many directions looks good by luck, and the more directions the better. So for each
attribute value the direction is picked on one half of the users and scored on the other, and every
set is read on the same rows.

    python -m training.study.interpretation ml-100k --work var/work
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from training.builtin import load_dataset
from training.config import TrainConfig
from training.pipeline import Run
from training.progress import Report, progress_bars, silent
from training.study.directions import (
    DirectionSet,
    feature_projections,
    hidden_dimensions,
    independent_components,
    principal_components,
    random_directions,
    sae_features,
    untrained_features,
    whitened_random_directions,
)
from training.study.moments import newest_hidden, sampled_moments
from training.study.monosemanticity import (
    item_means,
    monosemanticity,
    random_similarity,
)
from training.study.question import LAST, NEXT, SHARE, Question, InterpretationSettings, question
from training.study.separation import auc_interval, correlations, p_values, q_values, roc_aucs
from training.study.values import co_occurrence, study_values

FALSE_DISCOVERY_RATE = 0.05
COVERED_AUC = (0.8, 0.9)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BestDirection:
    """The direction of a set that tells an attribute value apart best, as the unseen half sees it.

    Against the history's share, the label is "share above its median" and r is with that label.
    """

    attribute: str
    """`name=value`."""
    target: str
    """What carries the attribute: the last item, the next item, or the history's larger half."""
    direction: int
    """Its column; picked by ROC AUC on the other half."""
    roc_auc: float
    """On the half that did not pick it."""
    roc_auc_low: float
    """Lower end of the 95 % interval, users drawn with replacement."""
    roc_auc_high: float
    """Upper end."""
    r: float
    """Point-biserial, on the same half."""
    q: float
    """Benjamini-Hochberg over all directions and attribute values of this target, that half."""


@dataclass(frozen=True)
class TargetMeasures:
    """How well a set tells attribute values apart by one target."""

    target: str
    """What carries the attribute."""
    mean_best_auc: float
    """Mean over attribute values of the best direction's ROC AUC on the unseen half."""
    mean_best_auc_picked: float
    """The same on the half that picked: the difference is luck."""
    covered: dict[str, int]
    """Attribute values at or above each AUC on the unseen half."""
    discovered_share: float
    """Share of (direction, value) pairs with a correlation at a false discovery rate of 5 %."""


@dataclass(frozen=True)
class SetMeasures:
    """One set of directions, judged."""

    name: str
    """What tables call it."""
    n_directions: int
    """How many there are, both signs of one counted as two."""
    n_constant: int
    """How many never vary on these rows: dead features."""
    targets: tuple[TargetMeasures, ...]
    """By target."""
    similarity_by_attributes: float
    """Monosemanticity: mean over directions, Jaccard of the catalogue's attribute values."""
    similarity_by_co_occurrence: float
    """Monosemanticity: mean over directions, cosine of the items' readers."""
    predicted_share: float
    """Mean over directions of R2 on the unseen half, activation predicted from its one label."""
    best: tuple[BestDirection, ...]
    """By target and attribute value."""


@dataclass(frozen=True)
class InterpretationStudy:
    """All sets on the same rows; `dataclasses.asdict` of it is JSON."""

    n_rows: int
    """Moments read."""
    n_users: int
    """Whose they are."""
    n_values: int
    """Attribute values asked about."""
    random_similarity_by_attributes: float
    """Of two items drawn at random."""
    random_similarity_by_co_occurrence: float
    """Of two items drawn at random."""
    sets: tuple[SetMeasures, ...]
    """In the order given."""


def interpretation_study(
    sets: Sequence[DirectionSet], asked: Question, report: Report = silent
) -> InterpretationStudy:
    """Every set judged by the same question."""
    judged = []
    for done, directions in enumerate(sets, start=1):
        judged.append(set_measures(directions, asked))
        report("interpretation", done, len(sets), directions.name)
    by_attributes, by_co_occurrence = (
        random_similarity(asked.shown, similarity) for similarity in asked.similarities
    )
    return InterpretationStudy(
        n_rows=len(asked.moments.users),
        n_users=len(np.unique(asked.moments.users)),
        n_values=len(asked.values),
        random_similarity_by_attributes=by_attributes,
        random_similarity_by_co_occurrence=by_co_occurrence,
        sets=tuple(judged),
    )


def set_measures(directions: DirectionSet, asked: Question) -> SetMeasures:
    """One set, judged."""
    activations = directions.activations
    judged = [_target_measures(activations, target, asked) for target in asked.labels]
    means, _ = item_means(activations, asked.moments.last_items, len(asked.shown) - 1)
    by_attributes, by_co_occurrence = (
        _mean(monosemanticity(means, asked.shown, similarity)) for similarity in asked.similarities
    )
    return SetMeasures(
        name=directions.name,
        n_directions=directions.n,
        n_constant=int((np.ptp(activations, axis=0) == 0).sum()),
        targets=tuple(measures for measures, _ in judged),
        similarity_by_attributes=by_attributes,
        similarity_by_co_occurrence=by_co_occurrence,
        predicted_share=_mean(predicted_shares(activations, asked.labels[LAST], asked.picks)),
        best=tuple(best for _, found in judged for best in found),
    )


def predicted_shares(activations: npt.NDArray[np.floating], labels: Bools, picks: Bools) -> Floats:
    """R2 of each direction's activation, predicted from the one label that fits it best [n].

    On the picking rows the label with the largest |r| is chosen and the mean activation with and
    without it is taken; on the other rows those two means predict. NaN where it never varies.

    Args:
        activations: [rows, n].
        labels: [rows, n_labels].
        picks: [rows] rows to learn from.
    """
    chosen = np.abs(correlations(activations[picks], labels[picks])).argmax(1)
    columns = zip(activations.T.astype(np.float64), chosen, strict=True)
    return np.array([_r2(column, labels[:, label], picks) for column, label in columns])


def _r2(activation: Floats, label: Bools, picks: Bools) -> float:
    predicted = np.full(len(activation), activation[picks].mean())
    for carried in (True, False):
        learned = picks & (label == carried)
        if learned.any():
            predicted[label == carried] = activation[learned].mean()
    seen = activation[~picks]
    variation = ((seen - seen.mean()) ** 2).sum()
    error = ((seen - predicted[~picks]) ** 2).sum()
    return float(1 - error / variation) if variation > 0 else np.nan


def _target_measures(
    activations: npt.NDArray[np.floating], target: str, asked: Question
) -> tuple[TargetMeasures, list[BestDirection]]:
    labels, picks = asked.labels[target], asked.picks
    picking = roc_aucs(activations[picks], labels[picks])
    scoring = roc_aucs(activations[~picks], labels[~picks])
    users = asked.moments.users[~picks]
    r = correlations(activations[~picks], labels[~picks])
    q = q_values(p_values(activations[~picks], labels[~picks], users))
    best = []
    for value, (name, d) in enumerate(zip(asked.values, picking.argmax(0), strict=True)):
        low, high = auc_interval(
            activations[~picks, d],
            labels[~picks, value],
            users,
            draws=asked.settings.draws,
            seed=asked.settings.seed,
        )
        found = (float(scores[d, value]) for scores in (r, q))
        area = float(scoring[d, value])
        best.append(BestDirection(name, target, int(d), area, low, high, *found))
    areas = np.array([b.roc_auc for b in best])
    measures = TargetMeasures(
        target=target,
        mean_best_auc=float(areas.mean()),
        mean_best_auc_picked=float(picking.max(0).mean()),
        covered={f"{bound:g}": int((areas >= bound).sum()) for bound in COVERED_AUC},
        discovered_share=float((q <= FALSE_DISCOVERY_RATE).mean()),
    )
    return measures, best


def _mean(values: Floats) -> float:
    """Mean of what is defined; 0 where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else 0.0


def study_of(
    run: Run, settings: InterpretationSettings | None = None, report: Report = silent
) -> InterpretationStudy:
    """The study of a run's base model and SAE, on its training histories."""
    settings = settings or InterpretationSettings()
    train, seed = run.split.train, settings.seed
    moments = sampled_moments(train, per_user=settings.per_user, seed=seed)
    hidden = newest_hidden(run.base_model, moments.begun, run.block)
    d_sae, d_model = run.sae.W_dec.shape
    sets = (
        sae_features("SAE", run.sae, hidden),
        feature_projections(run.sae, hidden),
        hidden_dimensions(hidden),
        random_directions(hidden, d_sae, seed=seed, both_signs=False),
        random_directions(hidden, d_model, seed=seed, both_signs=True),
        whitened_random_directions(hidden, d_sae, seed=seed),
        principal_components(hidden),
        independent_components(hidden, seed=seed),
        untrained_features(
            run.base_model.shape, run.config.sae, run.block, moments.begun, seed=seed
        ),
    )
    table = study_values(
        run.dataset,
        train,
        min_items=settings.min_items,
        n_clusters=settings.n_clusters,
        seed=seed,
    )
    cosine = co_occurrence(train, run.dataset.n_items)
    return interpretation_study(sets, question(moments, table, cosine, settings), report)


def interpretation_table(study: InterpretationStudy) -> Table:
    """The measures of every set, one row each."""
    table = Table(title=f"{study.n_rows} moments, {study.n_users} users, {study.n_values} values")
    targets = [measures.target for measures in study.sets[0].targets] if study.sets else []
    headings = ["directions", "n", *(f"{t}: AUC, >= .9 / .8" for t in targets)]
    for heading in [*headings, "alike by attributes", "by co-occurrence", "R2 from label"]:
        table.add_column(heading)
    for judged in study.sets:
        table.add_row(*_cells(judged))
    chance = (study.random_similarity_by_attributes, study.random_similarity_by_co_occurrence)
    table.add_row("items at random", "", *[""] * len(targets), *(f"{s:.3f}" for s in chance), "")
    return table


def areas_table(study: InterpretationStudy, target: str) -> Table:
    """Mean ROC AUC of the best directions on the unseen half, by name of the attribute."""
    table = Table(title=f"ROC AUC against the {target}, mean over values; their number")
    areas = [_areas_by_name(judged, target) for judged in study.sets]
    table.add_column("directions")
    for name, found in (areas[0] if areas else {}).items():
        table.add_column(f"{name}, {len(found)}")
    for judged, by_name in zip(study.sets, areas, strict=True):
        table.add_row(judged.name, *(f"{np.mean(found):.3f}" for found in by_name.values()))
    return table


def _areas_by_name(judged: SetMeasures, target: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for best in judged.best:
        if best.target == target:
            found.setdefault(best.attribute.partition("=")[0], []).append(best.roc_auc)
    return found


def _cells(judged: SetMeasures) -> list[str]:
    areas = [
        f"{t.mean_best_auc:.3f}, {t.covered['0.9']} / {t.covered['0.8']}" for t in judged.targets
    ]
    last = (
        judged.similarity_by_attributes,
        judged.similarity_by_co_occurrence,
        judged.predicted_share,
    )
    return [judged.name, str(judged.n_directions), *areas, *(f"{value:.3f}" for value in last)]


def main() -> None:
    """Prints the study of the default config's run, trained in the work folder where it is not."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", help="a built-in data set or a data config")
    parser.add_argument("--work", type=Path, required=True, help="work folder of training")
    parser.add_argument("--seed", type=int, default=0, help="of the study, not of training")
    given = parser.parse_args()
    run = Run(TrainConfig(), load_dataset(given.data), given.work)
    with progress_bars(Console(stderr=True)) as report:
        study = study_of(run, InterpretationSettings(seed=given.seed), report)
    console = Console(width=150)
    console.print(interpretation_table(study))
    for target in (LAST, NEXT, SHARE):
        console.print(areas_table(study, target))


if __name__ == "__main__":
    main()
