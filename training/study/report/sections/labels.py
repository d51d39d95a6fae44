"""Whether the names given to features hold on users who did not make them."""

from collections.abc import Sequence

from training.study.labels import HeldOutLabel, LabelsOfSource, LabelsStudy
from training.study.report.blocks import Block, Folded, Section, Table
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.wording import count, figure, figure_between, percent

NAME, TITLE = "labels", "Do their labels hold?"
QUESTION = "Each feature gets a short name by a written rule. Is it true on other users too?"
SOURCES = {
    "all": "all labels",
    "attribute": "named by an attribute",
    "co_occurrence": "named by items that the same users take",
    "titles": "named by titles of their strongest items",
}
N_SHOWN = 15


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.labels
    if study is None:
        return absent(NAME, TITLE, QUESTION, "labels")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=_blocks(study),
        reading=(
            "One half of the users names the features; the other half is asked whether a feature"
            " is really more active after items that fit its name. By chance: the same with names"
            " dealt to features at random.",
        ),
        limits=(
            "A name may predict a feature and still miss most of what it does: the last column"
            " says how much of the feature's activity the name explains.",
        ),
    )


def _answer(study: LabelsStudy) -> str:
    if not study.by_source:
        return "No feature has a label."
    everything = study.by_source[0]
    return (
        f"Of {count(everything.n_features)} labelled features,"
        f" {percent(everything.predicting_share, 0)} are predicted by their label on users who did"
        f" not make it (labels dealt at random: {percent(everything.predicting_share_by_chance, 0)}"
        f"). The other half of the users alone would have given"
        f" {percent(everything.same_share, 0)} of them the same label. A label explains"
        f" {percent(everything.mean_predicted_share)} of its feature's variance, on average."
    )


def _blocks(study: LabelsStudy) -> list[Block]:
    clear = sorted(study.labels, key=lambda label: -label.roc_auc)
    middle = clear[len(clear) // 2 :][:N_SHOWN]
    return [
        Table(
            caption=f"Labels of {count(study.n_features)} features, {study.n_dead} of them dead",
            headings=(
                *("labels", "features", "predict", "... by chance", "AUC, mean", "... by chance"),
                *("same label again", "variance explained"),
            ),
            rows=[_source_cells(source) for source in study.by_source],
            note=f"{count(study.n_rows)} moments of {count(study.n_users)} users.",
        ),
        Folded(
            "Labels: the best predicting and those from the middle",
            [_label_table("The best", clear[:N_SHOWN]), _label_table("From the middle", middle)],
        ),
    ]


def _source_cells(source: LabelsOfSource) -> list[str]:
    return [
        SOURCES.get(source.source, source.source),
        count(source.n_features),
        percent(source.predicting_share, 0),
        percent(source.predicting_share_by_chance, 0),
        figure(source.mean_roc_auc, 3),
        figure(source.mean_roc_auc_by_chance, 3),
        percent(source.same_share, 0),
        percent(source.mean_predicted_share),
    ]


def _label_table(caption: str, labels: Sequence[HeldOutLabel]) -> Table:
    rows = [
        (
            str(label.feature_index),
            label.label,
            figure_between(label.roc_auc, label.roc_auc_low, label.roc_auc_high),
            percent(label.predicted_share),
            "yes" if label.is_same else "no",
        )
        for label in labels
    ]
    headings = ("feature", "label", "AUC (95 % interval)", "variance explained", "same again")
    return Table(caption, headings, rows, n_text_columns=2)
