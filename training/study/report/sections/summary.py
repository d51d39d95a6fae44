"""The head of the report: what it is about, in plain words, and the goals with their figures."""

from collections.abc import Callable, Sequence

from training.study.report.blocks import Verdict
from training.study.report.results import StudyResults
from training.study.report.sections import (
    base,
    control,
    interpretation,
    promise,
    suppression,
    sweep,
)

INTRODUCTION = (
    "A sequential recommender reads what somebody took, in order, and ranks a whole catalogue by"
    " what that person is likely to take next. Inside, everything it makes of a history is one list"
    " of numbers, the hidden state. Single numbers of it mean little to people.",
    "A sparse autoencoder (SAE) rewrites that list as a sum of a few out of many building blocks,"
    " called features. The paper behind this report (Klenitskiy et al., arXiv 2507.12202) claims"
    " two things: features mean something, more than the model's own numbers do; and turning"
    " features up or down steers what is recommended. This report puts both claims to the test on"
    " public data, each beside controls that a sceptic would ask for: random directions, plain"
    " re-ranking, users who were never looked at.",
)

WORDS = (
    ("hidden state", "the list of numbers that the model makes of a history"),
    ("SAE", "sparse autoencoder: rewrites a hidden state as a sum of a few features"),
    ("feature", "one building block of an SAE; its activation says how much of it is present"),
    ("attribute", "something known of items, such as genre=Horror; models never see it"),
    ("slate", "the items recommended to one user, best first; here the top 20"),
    ("share", "the part of a slate that carries an attribute, in per cent"),
    (
        "NDCG@10",
        "quality of a ranking, 0 to 1: how high the hidden next item stands in the top 10",
    ),
    ("HR@10", "how often the hidden next item is in the top 10 at all"),
    (
        "NDCG kept",
        "NDCG@10 with a change over NDCG@10 without it: 100 % means that nothing was lost",
    ),
    (
        "ROC AUC",
        "how well a number tells items with an attribute from those without: 0.5 is chance,"
        " 1 is perfect",
    ),
    ("L0", "how many features are active at a time, on average"),
    (
        "FVU",
        "fraction of variance unexplained: the part of the hidden state that the SAE misses",
    ),
    ("dead feature", "one that is never active"),
    ("re-rank", "raising the score of every item with an attribute by the same amount: the rival"),
    (
        "95 % interval",
        "where the figure would lie in 95 of 100 draws of as many users; written in brackets",
    ),
)

VERDICTS: tuple[Callable[[StudyResults], Sequence[Verdict]], ...] = (
    base.verdicts,
    sweep.verdicts,
    interpretation.verdicts,
    control.verdicts,
    suppression.verdicts,
    promise.verdicts,
)


def title(results: StudyResults) -> str:
    """The heading of the page."""
    return f"Do features mean something, and do they steer? A study on {results.data.name}"


def subtitle(results: StudyResults) -> str:
    """What is under the heading."""
    origin = results.origin
    return f"Started {origin.started}, code {origin.code_commit[:12]}, {origin.machine}"


def warning(results: StudyResults) -> str:
    """What a reader must know before anything else; empty: nothing."""
    if not results.origin.is_quick:
        return ""
    return (
        "A quick run: models, data and draws were shrunk so that everything runs in minutes. It"
        " shows that the study works; its figures prove nothing."
    )


def verdicts_of(results: StudyResults) -> tuple[Verdict, ...]:
    """Every goal, in the order of the sections."""
    return tuple(verdict for verdicts in VERDICTS for verdict in verdicts(results))
