"""Suppression: a favourite attribute brought to almost none of its fans' slates, and its cost."""

from collections.abc import Sequence

from model_store.cards import Band
from training.study.report import plots
from training.study.report.blocks import Cell, Figure, LegendEntry, Panel, Section, Table, Verdict
from training.study.report.plots import Axis, Guide, Series
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.svg import INK, LOOKS, Look
from training.study.report.wording import (
    DASH,
    count,
    listed,
    minus,
    percent,
    percent_between,
    value_of,
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

NAME, TITLE = "suppression", "Can an attribute be suppressed?"
QUESTION = (
    "Take the users who like an attribute most. Can features bring it to almost none of what they"
    " are shown, and what is left of the quality?"
)
GOAL = "Negative ADD brings a favourite attribute of its fans below {} of the top 20"


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.suppression
    if study is None:
        return absent(NAME, TITLE, QUESTION, "suppression")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=[_figure(study), _table(study)],
        reading=(
            "Lines start at the right, where nothing is done, and go left as the edit grows."
            " The upright line is the wanted share.",
            "NDCG@10 must fall: for many fans the hidden next item carries the very attribute that"
            " is kept from them. The last column of the table counts only fans whose next item"
            " does not carry it.",
        ),
        limits=(
            "Fans are the users with the largest share of the attribute in their history, of"
            f" {count(study.n_users)} users.",
        ),
    )


def verdicts(results: StudyResults) -> Sequence[Verdict]:
    """Whether negative ADD gets there for every attribute."""
    study = results.suppression
    if study is None:
        return [Verdict(GOAL.format("5 %"), "not run", None, NAME)]
    found = [_reached(one, ADD) for one in study.attributes]
    n, of = sum(one is not None for one in found), len(found)
    kept = [one.kept.value for one in found if one is not None]
    mean = f", where {percent(sum(kept) / len(kept), 0)} of NDCG@10 is kept" if kept else ""
    goal = GOAL.format(percent(study.wanted_share, 0))
    return [Verdict(goal, f"{n} of {of} attributes{mean}", bool(of) and n == of, NAME)]


def _answer(study: SuppressionStudy) -> str:
    reached = {one.attribute: _reached(one, ADD) for one in study.attributes}
    done = [name for name, found in reached.items() if found is not None]
    missed = [value_of(name) for name, found in reached.items() if found is None]
    told = [f"{value_of(n)} ({_told(reached[n])})" for n in done]
    first = (
        f"Negative ADD brings {len(done)} of {len(reached)} attributes below"
        f" {percent(study.wanted_share, 0)} of their fans' top 20"
    )
    misses = f" It does not for {listed(missed)}." if missed else ""
    return f"{first}: {listed(told)}.{misses}" if told else f"{first}.{misses}"


def _told(found: Suppressed | None) -> str:
    return (
        ""
        if found is None
        else f"at {minus(f'{found.strength:g}')}, NDCG@10 kept {percent(found.kept.value, 0)}"
    )


def _reached(one: AttributeSuppression, method: str) -> Suppressed | None:
    return next((path.reached for path in one.paths if path.method == method), None)


def _looks(study: SuppressionStudy) -> dict[str, Look]:
    methods = dict.fromkeys(path.method for one in study.attributes for path in one.paths)
    others = dict(zip([m for m in methods if m != RERANK], LOOKS, strict=False))
    return {method: others.get(method, Look(INK, "-", "")) for method in methods}


def _figure(study: SuppressionStudy) -> Figure:
    looks = _looks(study)
    panels = [_panel(study, one, looks, place) for place, one in enumerate(study.attributes)]
    legend = [LegendEntry(_method(method), plots.swatch(look)) for method, look in looks.items()]
    caption = "Share of the attribute in its fans' top 20 against quality kept"
    return Figure(caption, panels, legend)


def _panel(
    study: SuppressionStudy, one: AttributeSuppression, looks: dict[str, Look], place: int
) -> Panel:
    series = [Series(p.method, p.shares, p.kept_shares, looks[p.method]) for p in one.paths]
    guides = [Guide(study.wanted_share, percent(study.wanted_share, 0), "x")]
    alt = (
        f"{one.attribute}, {one.n_fans} fans, share {percent(one.share)} before:"
        f" {'; '.join(map(_end, one.paths))}."
    )
    x = Axis("share of the fans' top 20", is_percent=True)
    y = Axis("NDCG@10 kept", is_percent=True)
    title = f"{value_of(one.attribute)}: {percent(one.share, 0)} for {count(one.n_fans)} fans"
    return Panel(title, plots.lines(f"suppression-{place}", alt, series, x, y, guides))


def _end(path: SuppressionPath) -> str:
    share, kept = percent(path.shares[-1]), percent(path.kept_shares[-1])
    return f"{path.method} ends at share {share} with {kept} kept"


def _method(method: str) -> str:
    names = {ADD: "negative ADD on the group", SCALE: "SCALE towards 0", RERANK: "plain re-rank"}
    return names.get(method, method)


def _table(study: SuppressionStudy) -> Table:
    headings = (
        *("attribute", "method", "in their history", "share before", "strength", "share there"),
        *("NDCG kept there", "... where the next item is another"),
    )
    rows = [
        _cells(one, path.method, path.reached) for one in study.attributes for path in one.paths
    ]
    return Table(
        caption=f"Where the share first falls below {percent(study.wanted_share, 0)}",
        headings=headings,
        rows=rows,
        note="With 95 % intervals over fans. Never: no strength that was tried gets there.",
        n_text_columns=2,
    )


def _cells(one: AttributeSuppression, method: str, found: Suppressed | None) -> list[Cell]:
    before = [
        Cell(f"{value_of(one.attribute)} ({count(one.n_fans)} fans)"),
        Cell(_method(method)),
        Cell(percent(one.history_share, 0)),
        Cell(percent(one.share)),
    ]
    if found is None:
        return [*before, Cell("never", "bad"), *[Cell(DASH, "quiet")] * 3]
    return [
        *before,
        Cell(minus(f"{found.strength:.3g}")),
        Cell(_between(found.share, 1)),
        Cell(_between(found.kept, 0)),
        Cell(_between(found.kept_others, 0)),
    ]


def _between(band: Band | None, digits: int) -> str:
    return DASH if band is None else percent_between(band.value, band.low, band.high, digits)
