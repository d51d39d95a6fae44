"""The interpretation study as tables of a terminal."""

import numpy as np
from rich.table import Table

from training.study.interpretation_results import InterpretationStudy, SetMeasures


def interpretation_table(study: InterpretationStudy) -> Table:
    """The measures of every set, one row each."""
    table = Table(title=f"{study.n_rows} moments, {study.n_users} users, {study.n_values} values")
    targets = [measures.target for measures in study.sets[0].targets] if study.sets else []
    headings = ["directions", "n"]
    headings += [f"{t}: AUC, >= .9 / .8; precision, >= .9; purity, own" for t in targets]
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


def comparison_table(study: InterpretationStudy) -> Table:
    """Differences from every control, with intervals."""
    table = Table(title="differences, 95 % intervals; q over all of them")
    for heading in ("measure", "directions", "control", "", "", "difference", "from", "to", "q"):
        table.add_column(heading)
    for c in study.comparisons:
        measure = f"{c.measure}, {c.target}" if c.target else c.measure
        values = (c.one_value, c.other_value, c.difference, c.low, c.high, c.q)
        table.add_row(measure, c.one, c.other, *(f"{value:.3f}" for value in values))
    return table


def examples_table(study: InterpretationStudy) -> Table:
    """The clearest features and their items."""
    table = Table(title="the clearest features, one for each value")
    for heading in ("feature", "attribute", "AUC", "r", "precision, of chance", "density", "items"):
        table.add_column(heading)
    for e in study.examples:
        precision = f"{e.precision:.2f}, {e.carried_share:.2f}"
        cells = (f"{e.roc_auc:.3f}", f"{e.r:.2f}", precision, f"{e.density:.3f}")
        table.add_row(str(e.feature_index), e.attribute, *cells, "; ".join(e.items[:4]))
    return table


def _areas_by_name(judged: SetMeasures, target: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for best in judged.best:
        if best.target == target:
            found.setdefault(best.attribute.partition("=")[0], []).append(best.roc_auc)
    return found


def _cells(judged: SetMeasures) -> list[str]:
    areas = [
        f"{t.mean_best_auc:.3f}, {t.covered['0.9']} / {t.covered['0.8']}; "
        f"{t.mean_best_precision:.3f}, {t.precise['0.9']}; {t.purity:.3f}, {t.own_purity:.3f}"
        for t in judged.targets
    ]
    last = (
        judged.similarity_by_attributes,
        judged.similarity_by_co_occurrence,
        judged.predicted_share,
    )
    return [judged.name, str(judged.n_directions), *areas, *(f"{value:.3f}" for value in last)]
