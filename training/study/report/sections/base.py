"""The base models over seeds, beside what others publish of the same data set."""

from collections.abc import Sequence

from training.study.base import BaseStudy, Spread, Trained
from training.study.report import plots
from training.study.report.blocks import (
    Block,
    Cell,
    Figure,
    LegendEntry,
    Panel,
    Section,
    Table,
    Verdict,
)
from training.study.report.plots import Axis, Dots
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.svg import LOOKS, MUTED, Look
from training.study.report.wording import DASH, count, duration, figure

NAME, TITLE = "base", "The recommender itself"
QUESTION = "Is the model whose inside is looked at as good as the published ones?"
GOAL = "The base model reaches the best published figures of this data set"
OWN = "this study"
OURS, THEIRS = (Look(look.colour, "", look.marker) for look in LOOKS[:2])
POPULAR = Look(MUTED, "", "D")


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.base
    if study is None:
        return absent(NAME, TITLE, QUESTION, "base")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=_blocks(study),
        reading=(
            "Each model has to find the one hidden next item among all items that the user has not"
            " had. HR@10 counts how often it is in the top 10; NDCG@10 also counts how high.",
            "Seeds differ in nothing but chance: starting weights, order of the data, dropout.",
        ),
        limits=(
            "Published figures come from other code, and perhaps other versions of the data: they"
            " say what level to expect, not which code is better.",
            f"The test items of {count(study.n_users)} users were read once for each seed;"
            " settings and the best epoch were chosen on the validation items.",
        ),
    )


def verdicts(results: StudyResults) -> Sequence[Verdict]:
    """Whether the mean over seeds reaches the best published figures."""
    study = results.base
    if study is None:
        return [Verdict(GOAL, "not run", None, NAME)]
    measured = f"NDCG@10 {_spread(study.test_ndcg)}, HR@10 {_spread(study.test_hit_rate)}"
    if not study.published:
        return [Verdict(GOAL, f"{measured}; no published figure is known to us", None, NAME)]
    return [Verdict(GOAL, f"{measured}; published: {_best(study)}", study.is_at_level, NAME)]


def _answer(study: BaseStudy) -> str:
    ours = (
        f"Over {len(study.models)} seeds the model reaches NDCG@10 {_spread(study.test_ndcg)} and"
        f" HR@10 {_spread(study.test_hit_rate)} on the test items. Recommending the most popular"
        f" items to everybody reaches {figure(study.popularity.ndcg_at_10)} and"
        f" {figure(study.popularity.hit_rate_at_10)}."
    )
    if not study.published:
        return f"{ours} No published figure by the same protocol is known to us."
    word = "That is at or above" if study.is_at_level else "That is below"
    return f"{ours} {word} the best published figures known to us, {_best(study)}."


def _best(study: BaseStudy) -> str:
    qualities = [one.quality for one in study.published]
    ndcg = max(quality.ndcg_at_10 for quality in qualities)
    rate = max(quality.hit_rate_at_10 for quality in qualities)
    return f"{figure(ndcg)} and {figure(rate)}"


def _spread(spread: Spread) -> str:
    if spread.deviation is None:
        return figure(spread.mean)
    return f"{figure(spread.mean)} ± {figure(spread.deviation)}"


def _blocks(study: BaseStudy) -> list[Block]:
    return [_figure(study), _table(study), _course_table(study)]


def _figure(study: BaseStudy) -> Figure:
    rows = [
        *((f"ours, seed {model.seed}", model.test.ndcg_at_10, "ours") for model in study.models),
        *((one.model, one.quality.ndcg_at_10, "published") for one in study.published),
        ("most popular items", study.popularity.ndcg_at_10, "popular"),
    ]
    named = (
        ("this study", "ours", OURS),
        ("published", "published", THEIRS),
        ("no model", "popular", POPULAR),
    )
    series = [
        Dots(name, [value if kind == asked else None for _, value, kind in rows], look)
        for name, asked, look in named
        if any(kind == asked for *_, kind in rows)
    ]
    alt = f"NDCG@10 on test items: {'; '.join(f'{name} {value:.4f}' for name, value, _ in rows)}."
    svg = plots.dots(
        "base", alt, [name for name, *_ in rows], series, Axis("NDCG@10"), is_spread=False
    )
    legend = [LegendEntry(one.name, plots.swatch(one.look)) for one in series]
    return Figure("NDCG@10 on test items", [Panel("", svg)], legend, is_wide=True)


def _table(study: BaseStudy) -> Table:
    ours = [
        (
            f"ours, seed {model.seed}",
            OWN,
            figure(model.test.ndcg_at_10),
            figure(model.test.hit_rate_at_10),
            figure(model.validation.ndcg_at_10),
        )
        for model in study.models
    ]
    mean = [
        f"ours, mean ± deviation over {len(study.models)} seeds",
        OWN,
        _spread(study.test_ndcg),
        _spread(study.test_hit_rate),
        _spread(study.validation_ndcg),
    ]
    published = [
        (
            one.model,
            one.source,
            figure(one.quality.ndcg_at_10),
            figure(one.quality.hit_rate_at_10),
            DASH,
        )
        for one in study.published
    ]
    popular = (
        "most popular items",
        OWN,
        figure(study.popularity.ndcg_at_10),
        figure(study.popularity.hit_rate_at_10),
        DASH,
    )
    headings = ("model", "source", "NDCG@10, test", "HR@10, test", "NDCG@10, validation")
    rows: list[Sequence[str | Cell]] = [
        *ours,
        [Cell(text, "strong") for text in mean],
        *published,
        popular,
    ]
    return Table("Base models, full catalogue, history left out", headings, rows, n_text_columns=2)


def _course_table(study: BaseStudy) -> Table:
    headings = ("seed", "epochs", "best epoch", "an epoch, wall time", "an epoch, processor time")
    return Table("Training", headings, [_course(model) for model in study.models])


def _course(model: Trained) -> tuple[str, ...]:
    return (
        str(model.seed),
        str(model.epochs),
        str(model.best_epoch),
        duration(model.epoch_wall_s),
        duration(model.epoch_cpu_s),
    )
