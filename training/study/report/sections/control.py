"""What raising an attribute costs: every way to do it, at equal share, against a plain re-rank."""

from collections.abc import Sequence

from model_store.cards import Band
from training.study.frontier import (
    AttributeFrontier,
    Frontier,
    FrontierStudy,
    MeanOverRerank,
    RivalSummary,
)
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
from training.study.report.svg import INK, LOOKS, Look
from training.study.report.wording import (
    DASH,
    count,
    listed,
    percent,
    percent_between,
    points_between,
    value_of,
)

NAME, TITLE = "control", "What does steering cost?"
QUESTION = (
    "Raising an attribute costs quality, whichever way it is done. Does an edit of features cost"
    " more or less than the plain rival, adding the same bonus to the score of every such item?"
)
RERANK = "re-rank"
KINDS = {
    "sae": "SAE features alone",
    "hybrid": "half an edit, half a re-rank",
    RERANK: "another re-rank",
    "probe": "a direction without an SAE",
    "control": "a control",
    "calibration": "calibration to a target mix",
}
KIND_SUBJECTS = {
    "sae": "The best edit of features alone",
    "hybrid": "The best mixture of an edit and half a re-rank",
    "control": "The best control",
}
KIND_LOOKS = {kind: LOOKS[place] for place, kind in enumerate(KINDS)}
PLAIN = Look(INK, "-", "")
FAINT = 0.25
LEAST_KEPT = 0.5
"""NDCG@10 kept at the lower edge of a drawing."""
COMPARED = ("x2", "+10")
"""Shares in the verdict and in the unfolded tables."""
WANTED = {
    "x1.5": "half as much again",
    "x2": "twice the share",
    "+10": "ten points more",
    "+25": "25 points more",
}


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.frontier
    if study is None:
        return absent(NAME, TITLE, QUESTION, "frontier")
    wanted = [mean.wanted for mean in study.summaries[0].at] if study.summaries else []
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=[
            _figure(study),
            _means_table(study, wanted),
            *(_share_table(study, w) for w in wanted if w in COMPARED[:1]),
            Folded(
                "The same at other shares",
                [_share_table(study, w) for w in wanted if w not in COMPARED[:1]],
            ),
        ],
        reading=(
            "Every line is one way to raise the attribute; its strength grows from left to right."
            " A line that lies higher keeps more quality at the same share. Above 100 % means that"
            " recommendations got better.",
            "Tables compare where two ways reach the same share, on the same drawn users:"
            " green where the interval of the difference from the re-rank lies above 0, red"
            " where it lies below.",
        ),
        limits=(
            "No correction for the many cells: of twenty comparisons without any difference one"
            " is coloured by chance.",
            "The legend names the best of each kind on these very users, which flatters it.",
            "A re-rank can only raise what the catalogue names; features can be turned where no"
            " attribute exists. This comparison cannot show that.",
        ),
    )


def verdicts(results: StudyResults) -> Sequence[Verdict]:
    """Whether an edit lies on or above the re-rank, alone and beside half of it."""
    goals = {
        "sae": "An edit of SAE features costs no more than a plain re-rank",
        "hybrid": "Features beside half a re-rank cost no more than a plain re-rank",
    }
    study = results.frontier
    if study is None:
        return [Verdict(goal, "not run", None, NAME) for goal in goals.values()]
    return [_verdict(study, kind, goal) for kind, goal in goals.items()]


def _verdict(study: FrontierStudy, kind: str, goal: str) -> Verdict:
    best = _best(study, kind)
    if best is None:
        return Verdict(goal, "not compared", None, NAME)
    found = [mean for mean in best.at if mean.wanted in COMPARED]
    told = [f"{points(mean)} points at {WANTED[mean.wanted]}" for mean in found]
    is_level = all(m.over_rerank is not None and m.over_rerank.high >= 0 for m in found)
    return Verdict(goal, f"{best.rival}: {listed(told)}", is_level, NAME)


def points(mean: MeanOverRerank) -> str:
    """A mean difference from the re-rank with its interval."""
    over = mean.over_rerank
    return DASH if over is None else points_between(over.value, over.low, over.high)


def _answer(study: FrontierStudy) -> str:
    best = {kind: _best(study, kind) for kind in KINDS}
    told = [
        f"{KIND_SUBJECTS[kind]} ({one.rival}) costs {_costs(one)}."
        for kind, one in best.items()
        if one is not None and kind in KIND_SUBJECTS
    ]
    return (
        f"{count(len(study.attributes))} attributes were raised in {len(study.summaries)} ways, for"
        f" {count(study.n_users)} users who chose nothing. {' '.join(told)}"
        " The figures are points of NDCG@10 kept beyond the re-rank at the same share, with 95 %"
        " intervals."
    )


def _costs(one: RivalSummary) -> str:
    found = [mean for mean in one.at if mean.wanted in COMPARED]
    words = list(dict.fromkeys(_word(mean.over_rerank) for mean in found))
    told = [f"{WANTED[mean.wanted]} {points(mean)}" for mean in found]
    if len(words) == 1:
        return f"{words[0]} ({'; '.join(told)})"
    return listed([f"{_word(m.over_rerank)} at {WANTED[m.wanted]} ({points(m)})" for m in found])


def _word(over: Band | None) -> str:
    """The interval in plain words."""
    if over is None:
        return "what cannot be told"
    if over.low <= 0 <= over.high:
        return "about as much as the plain re-rank"
    return "more than the plain re-rank" if over.high < 0 else "less than the plain re-rank"


def _best(study: FrontierStudy, kind: str) -> RivalSummary | None:
    """Of those that reach the most attributes, the one with the best mean differences."""
    found = [s for s in study.summaries if s.kind == kind and s.rival != RERANK]
    return max(found, key=_rank, default=None)


def _rank(summary: RivalSummary) -> tuple[int, float]:
    means = [mean for mean in summary.at if mean.wanted in COMPARED]
    values = [mean.over_rerank.value for mean in means if mean.over_rerank is not None]
    return sum(mean.n_reached for mean in means), sum(values) / max(len(values), 1)


def _figure(study: FrontierStudy) -> Figure:
    best = {kind: _best(study, kind) for kind in KINDS}
    named = {one.rival: kind for kind, one in best.items() if one is not None}
    panels = [_panel(found, named, place) for place, found in enumerate(study.attributes)]
    legend = [LegendEntry("plain re-rank", plots.swatch(PLAIN))]
    legend += [
        LegendEntry(f"{rival} ({KINDS[kind]})", plots.swatch(KIND_LOOKS[kind]))
        for rival, kind in named.items()
    ]
    legend.append(LegendEntry("the others, by kind", plots.swatch(KIND_LOOKS["sae"], FAINT)))
    return Figure("Share of the attribute in the top 20 against quality kept", panels, legend)


def _panel(found: AttributeFrontier, named: dict[str, str], place: int) -> Panel:
    ordered = sorted(found.frontiers, key=lambda one: (one.rival == RERANK, one.rival in named))
    ends = [
        f"{one.rival} ends at share {percent(one.shares[-1])}"
        f" with {percent(one.kept_shares[-1])} kept"
        for one in ordered
        if one.rival in named or one.rival == RERANK
    ]
    alt = f"{found.attribute}, unsteered share {percent(found.share)}: {'; '.join(ends)}."
    title = f"{value_of(found.attribute)}: {percent(found.share)} unsteered"
    x = Axis("share of the top 20", is_percent=True, bounds=(0, _furthest(found)))
    y = Axis("NDCG@10 kept", is_percent=True, bounds=(LEAST_KEPT, 1.12))
    return Panel(
        title, plots.lines(f"frontier-{place}", alt, [_path(o, named) for o in ordered], x, y)
    )


def _furthest(found: AttributeFrontier) -> float:
    """A little more than the share that any named way reaches while it keeps something."""
    kept = [
        share
        for one in found.frontiers
        for share, kept in zip(one.shares, one.kept_shares, strict=True)
        if kept >= LEAST_KEPT and one.kind != RERANK
    ]
    return min(1.02, 1.05 * max(kept, default=1.0))


def _path(one: Frontier, named: dict[str, str]) -> Series:
    if one.rival == RERANK:
        return Series(one.rival, one.shares, one.kept_shares, PLAIN)
    look = KIND_LOOKS.get(one.kind, LOOKS[-1])
    if one.rival in named:
        return Series(one.rival, one.shares, one.kept_shares, look)
    faint = Look(look.colour, look.dash, "")
    return Series(one.rival, one.shares, one.kept_shares, faint, opacity=FAINT)


def _means_table(study: FrontierStudy, wanted: Sequence[str]) -> Table:
    headings = ["way", "kind", *(WANTED.get(w, w) for w in wanted)]
    rows = [
        [Cell(s.rival), Cell(KINDS.get(s.kind, s.kind)), *(_mean_cell(mean) for mean in s.at)]
        for s in sorted(study.summaries, key=lambda s: list(KINDS).index(s.kind))
        if s.rival != RERANK
    ]
    return Table(
        caption="NDCG@10 kept beyond the plain re-rank at the same share, in points",
        headings=headings,
        rows=rows,
        note=(
            "Mean over the attributes that both reach, with its 95 % interval, and their number"
            " (of 3: three attributes)."
            " Fewer attributes are easier ones: compare only rows with the same number."
        ),
        n_text_columns=2,
    )


def _mean_cell(mean: MeanOverRerank) -> Cell:
    if mean.over_rerank is None:
        return Cell(DASH, "quiet")
    return Cell(f"{points(mean)} of {mean.n_reached}", _tone(mean.over_rerank))


def _share_table(study: FrontierStudy, wanted: str) -> Table:
    headings = ["way", *(f"{value_of(a.attribute)} ({percent(a.share)})" for a in study.attributes)]
    rows = [
        [Cell(s.rival), *(_kept_cell(a.frontiers[place], wanted) for a in study.attributes)]
        for place, s in enumerate(study.summaries)
    ]
    return Table(
        caption=f"NDCG@10 kept at {WANTED.get(wanted, wanted)}, with 95 % intervals",
        headings=headings,
        rows=rows,
        note="In the headings: the share without steering. A dash: this way never gets there.",
    )


def _kept_cell(one: Frontier, wanted: str) -> Cell:
    at = next(kept for kept in one.at if kept.wanted == wanted)
    if at.kept is None:
        return Cell(DASH, "quiet")
    text = percent_between(at.kept.value, at.kept.low, at.kept.high, 0)
    return Cell(text, "" if one.rival == RERANK else _tone(at.over_rerank))


def _tone(over: Band | None) -> str:
    if over is None or over.low <= 0 <= over.high:
        return ""
    return "bad" if over.high < 0 else "good"
