"""Effect cards: what is told of an edit before anybody applies it, with some of them drawn."""

from collections.abc import Sequence

from model_store.cards import Band
from training.study.cards import ADD, CardsStudy, ShownCard, ShownResponse
from training.study.report import plots
from training.study.report.blocks import Block, Figure, LegendEntry, Panel, Section, Table
from training.study.report.plots import Axis, Guide, Series
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.svg import BAD, LOOKS, MUTED, Look
from training.study.report.wording import (
    DASH,
    count,
    listed,
    percent,
    percent_between,
    points,
    value_of,
)

NAME, TITLE = "cards", "Effect cards"
QUESTION = "What does the service tell an operator before an edit is applied?"
SHARE, KEPT = LOOKS[0], LOOKS[1]
RANDOM, UNSTEERED = Look(MUTED, ":", ""), Look(BAD, "--", "")
DOSE = Axis("strength (reference units added)")
SHARE_AXIS = Axis("share of the top 20", is_percent=True)
KEPT_AXIS = Axis("NDCG@10 kept", is_percent=True)


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.cards
    if study is None:
        return absent(NAME, TITLE, QUESTION, "cards")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=[
            *_cards(study.groups, "Cards of attribute groups", "group"),
            *_cards(study.features, "Cards of single features", "feature"),
        ],
        reading=(
            "A card says for each dose what share the attribute will have and how much quality is"
            " kept, with 95 % intervals over users. The grey band is where random directions of"
            " the same size end up: a share inside it says nothing about the feature.",
            "Saturation: the smallest dose with 95 % of the largest rise; a dash: still rising.",
            f"Shown are the card whose ADD raises the share most with at least"
            f" {percent(study.kept, 0)} of NDCG@10 kept, the one in the middle, and the last.",
        ),
        limits=(
            "Measured on users by their test items. Whether cards keep what they promise on"
            " other users is the next question.",
        ),
    )


def _answer(study: CardsStudy) -> str:
    return (
        f"Every bundle carries its own measurements. With at least {percent(study.kept, 0)} of"
        f" NDCG@10 kept, ADD on an attribute's group raises its share by"
        f" {points(study.mean_raised_of_groups)} points on average;"
        f" {study.n_groups_above_random} of {study.n_groups} groups do more than any random"
        f" direction of the same size. A single feature raises its attribute by"
        f" {points(study.mean_raised_of_features)} points on average, and"
        f" {count(study.n_features_above_random)} of {count(study.n_features)} do more than random"
        " directions."
    )


def _cards(cards: Sequence[ShownCard], caption: str, name: str) -> list[Block]:
    if not cards:
        return []
    names = [f"card-{name}-{place}" for place in range(len(cards))]
    shares = [_share_panel(card, name) for card, name in zip(cards, names, strict=True)]
    kept = [_kept_panel(card, name) for card, name in zip(cards, names, strict=True)]
    legend = [
        LegendEntry("group or feature", plots.swatch(SHARE)),
        LegendEntry("random directions of equal size", plots.swatch(RANDOM)),
        LegendEntry("without steering", plots.swatch(UNSTEERED)),
    ]
    return [
        Figure(f"{caption}: share of the top 20 by dose of ADD", shares, legend),
        Figure(f"{caption}: quality kept by the same doses", kept),
        *(_table(card) for card in cards[:1] if name == "group"),
        _facts(caption, cards),
    ]


def _share_panel(card: ShownCard, name: str) -> Panel:
    response = _of(card, ADD)
    points_of = response.points if response else ()
    ends = [f"{p.strength:g} gives {percent(p.share_at_20.value)}" for p in points_of]
    series = _shares(response) if response else []
    plain = [Guide(p.share_at_20.value, "") for p in points_of if p.strength == 0]
    alt = f"{card.title}: {', '.join(ends) or 'ADD was not measured'}."
    return Panel(card.title, plots.lines(name, alt, series, DOSE, SHARE_AXIS, plain))


def _kept_panel(card: ShownCard, name: str) -> Panel:
    response = _of(card, ADD)
    points_of = response.points if response else ()
    ends = [f"{p.strength:g} keeps {percent(p.ndcg_kept_share.value)}" for p in points_of]
    strengths = [point.strength for point in points_of]
    series = _banded(strengths, [point.ndcg_kept_share for point in points_of], KEPT)
    alt = f"{card.title}: {', '.join(ends) or 'ADD was not measured'}."
    drawn = plots.lines(f"{name}-kept", alt, [series], DOSE, KEPT_AXIS, [Guide(1, "")])
    return Panel(card.title, drawn)


def _shares(response: ShownResponse) -> list[Series]:
    strengths = [point.strength for point in response.points]
    shares = [point.share_at_20 for point in response.points]
    random = [_banded(strengths, response.random, RANDOM)] if response.random else []
    return [*random, _banded(strengths, shares, SHARE)]


def _banded(strengths: Sequence[float], bands: Sequence[Band], look: Look) -> Series:
    values, lows, highs = (
        [getattr(band, end) for band in bands] for end in ("value", "low", "high")
    )
    return Series(look.colour, strengths, values, look, lows, highs)


def _table(card: ShownCard) -> Table:
    headings = (
        *(
            "operation",
            "strength",
            "share of the top 20",
            "random directions",
            "share of the top 10",
        ),
        *("NDCG kept", "still in the slate", "popularity", "diversity"),
    )
    rows = [cells for response in card.responses for cells in _dose_rows(response)]
    return Table(
        caption=f"{card.title}: the whole card in figures",
        headings=headings,
        rows=rows,
        note=(
            "Still in the slate: part of the unsteered top 20 that is left. Popularity: change of"
            " the mean popularity rank, of ranks from 0 to 100. Diversity: change of the mean"
            " distance between two items of a slate, the same way."
        ),
    )


def _dose_rows(response: ShownResponse) -> list[list[str]]:
    random = [percent_between(b.value, b.low, b.high) for b in response.random]
    return [
        [
            response.operation,
            f"{point.strength:g}",
            *(percent_between(b.value, b.low, b.high) for b in (point.share_at_20,)),
            beside,
            *(percent(b.value) for b in (point.share_at_10,)),
            *(percent_between(b.value, b.low, b.high, 0) for b in (point.ndcg_kept_share,)),
            percent(point.overlap_at_20.value, 0),
            points(point.popularity_shift.value),
            points(point.diversity_shift.value),
        ]
        for point, beside in zip(
            response.points, random or [DASH] * len(response.points), strict=True
        )
    ]


def _facts(caption: str, cards: Sequence[ShownCard]) -> Table:
    headings = (
        *("card", "operation", "features", "users", "largest rise by ADD", "saturates at"),
        *("nothing to scale", "side effects, in points of share"),
    )
    rows = [_fact_row(card, response) for card in cards for response in card.responses]
    return Table(f"{caption}: what else they tell", headings, rows, n_text_columns=2)


def _fact_row(card: ShownCard, response: ShownResponse) -> list[str]:
    sides = [
        f"{value_of(side.attribute)} {points(side.change.value)}"
        for side in response.off_target[:3]
    ]
    at = f"at {response.off_target_strength:g}: {listed(sides)}" if sides else "none"
    saturates = response.saturation_strength
    return [
        card.title,
        response.operation,
        count(card.n_features),
        count(response.n_users),
        points(card.raised) if response.operation == ADD else DASH,
        DASH if saturates is None else f"{saturates:g}",
        percent(response.inactive_share, 0) if response.operation != ADD else DASH,
        at,
    ]


def _of(card: ShownCard, operation: str) -> ShownResponse | None:
    return next((r for r in card.responses if r.operation == operation), None)
