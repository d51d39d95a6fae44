"""The promise test: doses picked from cards alone, tried on users that no card has seen."""

from collections.abc import Sequence

from training.study.promise import BROKEN, KEPT, UNATTAINABLE, Promise, PromisedGroup, PromiseStudy
from training.study.report import plots
from training.study.report.blocks import (
    Cell,
    Figure,
    Folded,
    LegendEntry,
    Panel,
    Section,
    Table,
    Verdict,
)
from training.study.report.plots import Axis, Series
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.svg import LOOKS, Look
from training.study.report.wording import (
    DASH,
    count,
    minus,
    percent,
    percent_between,
    points,
    value_of,
)

NAME, TITLE = "promise", "Do effect cards keep their word?"
QUESTION = (
    "A card says which dose gives ten points more. Is that what other users get, whom the card was"
    " not measured on?"
)
WANTED_SHARE = 0.9
GOAL = "At least {} of attribute groups do what their card promised, within {} points of share"
STATUS = {KEPT: "kept", BROKEN: "broken", UNATTAINABLE: "out of the card's reach"}
TONES = {KEPT: "good", BROKEN: "bad", UNATTAINABLE: "quiet"}


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.promise
    if study is None:
        return absent(NAME, TITLE, QUESTION, "promise")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=[_figure(study), *_broken_table(study), _folded(study)],
        reading=(
            "Each mark is one dose of one attribute. On the diagonal, users got exactly what the"
            " card promised; in the grey band they got it within"
            f" {_tolerance(study)} points.",
            "Out of reach: the card's own curve never rises that far, so that nothing is promised.",
        ),
        limits=(
            f"Cards were measured on {count(study.n_carded)} users and tried on"
            f" {count(study.n_promised)} others, both by their test items: other people. Other"
            " times and catalogues were not tried.",
        ),
    )


def verdicts(results: StudyResults) -> Sequence[Verdict]:
    """Whether enough groups keep every promise."""
    study = results.promise
    if study is None:
        return [Verdict(GOAL.format(percent(WANTED_SHARE, 0), 3), "not run", None, NAME)]
    goal = GOAL.format(percent(WANTED_SHARE, 0), _tolerance(study))
    measured = f"{percent(study.kept_group_share)} of {study.n_groups} groups"
    is_reached = study.kept_group_share >= WANTED_SHARE if study.n_groups else None
    return [Verdict(goal, measured, is_reached, NAME)]


def _tolerance(study: PromiseStudy) -> str:
    return f"{100 * study.tolerance:g}"


def _answer(study: PromiseStudy) -> str:
    return (
        f"Of {study.n_groups} attribute groups whose cards promise something,"
        f" {percent(study.kept_group_share)} kept every promise: the share that"
        f" {count(study.n_promised)} users got lies within {_tolerance(study)} points of the one"
        f" promised. Promise by promise it is {percent(study.kept_promise_share)} of"
        f" {study.n_promises}. The share was off by {100 * study.mean_share_error:.1f} points on"
        f" average; NDCG@10 kept lay {points(study.mean_kept_error)} points from what cards said."
        f" {study.n_unattainable} wanted rises are out of the cards' own reach."
    )


def _figure(study: PromiseStudy) -> Figure:
    rises = list(dict.fromkeys(p.rise for group in study.groups for p in group.promises))
    looks = {
        rise: Look(look.colour, "", look.marker) for rise, look in zip(rises, LOOKS, strict=False)
    }
    series = [_marks(study, rise, looks[rise]) for rise in rises]
    n_kept = round(study.kept_promise_share * study.n_promises)
    alt = f"{study.n_promises} promises, {n_kept} of them inside the band around the diagonal."
    x, y = (Axis(f"share {word}", is_percent=True) for word in ("promised", "measured"))
    svg = plots.promised("promise", alt, series, study.tolerance, x, y)
    legend = [
        LegendEntry(f"{points(rise, 0)} points wanted", plots.swatch(look))
        for rise, look in looks.items()
    ]
    caption = f"Share promised by the card, and share measured on users it has not seen: {alt}"
    return Figure(caption, [Panel("", svg)], legend)


def _marks(study: PromiseStudy, rise: float, look: Look) -> Series:
    found = [
        (promise.promised_share, promise.measured_share.value)
        for group in study.groups
        for promise in group.promises
        if promise.rise == rise and promise.measured_share is not None
    ]
    return Series(points(rise, 0), [x for x, _ in found], [y for _, y in found], look)


def _broken_table(study: PromiseStudy) -> list[Table]:
    broken = [
        (group, promise)
        for group in study.groups
        for promise in group.promises
        if promise.status == BROKEN
    ]
    return [_table("Promises that were broken", broken)] if broken else []


def _folded(study: PromiseStudy) -> Folded:
    every = [(group, promise) for group in study.groups for promise in group.promises]
    return Folded("All promises", [_table("All promises", every)])


def _table(caption: str, found: Sequence[tuple[PromisedGroup, Promise]]) -> Table:
    headings = (
        *("attribute", "wanted", "dose", "share before: card", "... measured", "share promised"),
        *("share measured", "NDCG kept: promised", "... measured", "outcome"),
    )
    return Table(
        caption=caption,
        headings=headings,
        rows=[_cells(group, promise) for group, promise in found],
    )


def _cells(group: PromisedGroup, promise: Promise) -> list[Cell]:
    measured, kept = promise.measured_share, promise.measured_kept
    texts = (
        value_of(group.attribute),
        points(promise.rise, 0),
        DASH if promise.strength is None else minus(f"{promise.strength:.2f}"),
        percent(group.carded_share),
        percent(group.measured_share.value),
        percent(promise.promised_share),
        DASH if measured is None else percent_between(measured.value, measured.low, measured.high),
        percent(promise.promised_kept, 0),
        DASH if kept is None else percent_between(kept.value, kept.low, kept.high, 0),
    )
    return [*map(Cell, texts), Cell(STATUS[promise.status], TONES[promise.status])]
