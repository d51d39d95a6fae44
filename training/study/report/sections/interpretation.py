"""Whether features mean more than other directions do: tables, a plot by attribute, examples."""

from collections.abc import Sequence

from training.study.interpretation_results import (
    BestDirection,
    FeatureExample,
    InterpretationStudy,
    SetMeasures,
)
from training.study.report import plots
from training.study.report.blocks import (
    Block,
    Cell,
    Example,
    Examples,
    Figure,
    Folded,
    LegendEntry,
    Panel,
    Points,
    Section,
    Table,
    Verdict,
)
from training.study.report.plots import Axis, Dots, Guide
from training.study.report.results import StudyResults
from training.study.report.sections import compared
from training.study.report.sections.absent import absent
from training.study.report.svg import LOOKS
from training.study.report.wording import count, figure, percent, value_of

NAME, TITLE = "interpretation", "Do features mean something?"
QUESTION = (
    "Does a single feature tell what an item is, better than a single number of the hidden state"
    " does, and better than a direction drawn at random?"
)
SAE = "SAE"
SHOWN = (SAE, "hidden dimensions", "random")
"""Sets in the plot: those named so, or the first whose name begins so."""
AUC, CHANCE = Axis("ROC AUC on users who did not pick (0.5: chance)"), 0.5


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.interpretation
    if study is None:
        return absent(NAME, TITLE, QUESTION, "interpretation")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=_blocks(study),
        reading=(
            "For each attribute the direction that fits best is picked on one half of the users"
            " and scored on the other half: the best of many always looks good on those who"
            " picked it.",
            "Random directions are the control that matters: many random directions tell"
            " attributes apart too, by luck and because the hidden state holds that knowledge.",
            "Precision: of the moments at which a direction is strongest, the part that carries"
            " the attribute. A feature that fires on half of an attribute and on nothing else has"
            " full precision, and an AUC of no more than 0.75.",
        ),
        limits=(
            "Attributes are what the catalogue happens to say, and clusters of items that the same"
            " users take: a feature may mean something that no attribute names.",
            "One base model and one autoencoder: the intervals are over users, not over trainings.",
        ),
    )


def verdicts(results: StudyResults) -> Sequence[Verdict]:
    """Where the claim holds against hidden dimensions and against random directions."""
    goal = "Features tell what an item is, more clearly than {}"
    against = ("hidden dimensions", "random directions")
    study = results.interpretation
    if study is None:
        return [Verdict(goal.format(other), "not run", None, NAME) for other in against]
    return [_verdict(study, goal.format(other), other) for other in against]


def _verdict(study: InterpretationStudy, goal: str, other: str) -> Verdict:
    found = compared.against(study, SAE, compared.control(study, other.partition(" ")[0]))
    if not found:
        return Verdict(goal, "not compared", None, NAME)
    above, level, below = compared.sides(found)
    measured = f"clearer by {len(above)} of {len(found)} measures, less clear by {len(below)}"
    return Verdict(goal, f"{measured}, level by {len(level)}", bool(above) and not below, NAME)


def _answer(study: InterpretationStudy) -> str:
    own, random = (
        compared.against(study, SAE, compared.control(study, word))
        for word in ("hidden dimensions", "random")
    )
    if not own or not random:
        return "Features were not compared with these controls."
    return (
        "The claim that features mean more than the model's own numbers"
        f" {compared.claim(own)} here; that they mean more than random directions"
        f" {compared.claim(random)}."
        f" {compared.sentence(own, 'Beside single numbers of the hidden state, features are')}"
        f" {compared.sentence(random, 'Beside as many random directions, they are')}"
    )


def _blocks(study: InterpretationStudy) -> list[Block]:
    targets = [measures.target for measures in study.sets[0].targets] if study.sets else []
    asked = [_areas(study, target, place) for place, target in enumerate(targets)]
    return [
        *compared.matrix(study, SAE),
        *(_sets_table(study, target) for target in targets[:1]),
        *asked[:1],
        _examples(study),
        Folded(
            f"Against the {' and the '.join(targets[1:])}",
            [*(_sets_table(study, target) for target in targets[1:]), *asked[1:]],
        ),
        Folded("Every comparison with every control", compared.tables(study)),
        Folded("Every measure in words", [Points("", study.verdict)]),
    ]


def _sets_table(study: InterpretationStudy, target: str) -> Table:
    bounds = study.sets[0].targets[0].covered if study.sets else {}
    covered = " / ".join(sorted(bounds, reverse=True))
    headings = (
        *("directions", "number", "best AUC, mean", f"values at AUC {covered}"),
        *(
            "best precision, mean",
            "purity",
            "... of its own",
            "top items alike: attributes",
            "... users",
        ),
        "activation predicted by its label",
    )
    chance = ("two items at random", *[""] * 6)
    alike = (
        figure(study.random_similarity_by_attributes, 3),
        figure(study.random_similarity_by_co_occurrence, 3),
    )
    return Table(
        caption=f"Each set of directions, asked about the {target}",
        headings=headings,
        rows=[*(_set_cells(judged, target) for judged in study.sets), (*chance, *alike, "")],
        note=(
            f"{count(study.n_rows)} moments of {count(study.n_users)} users,"
            f" {study.n_values} attribute values. Every figure is from the half of the users that"
            f" did not pick. Precision and purity look at the {percent(study.strongest_share, 0)}"
            " of moments where a direction is strongest: how much of an attribute they have in"
            " common beyond chance, and beyond what all directions of the set have in common."
        ),
    )


def _set_cells(judged: SetMeasures, target: str) -> list[Cell]:
    found = next(measures for measures in judged.targets if measures.target == target)
    covered = " / ".join(str(found.covered[bound]) for bound in sorted(found.covered, reverse=True))
    texts = (
        *(judged.name, count(judged.n_directions), figure(found.mean_best_auc, 3), covered),
        *(percent(found.mean_best_precision), figure(found.purity, 3)),
        figure(found.own_purity, 3),
        figure(judged.similarity_by_attributes, 3),
        *(figure(judged.similarity_by_co_occurrence, 3), figure(judged.predicted_share, 3)),
    )
    return [Cell(text, "strong" if judged.name == SAE else "") for text in texts]


def _areas(study: InterpretationStudy, target: str, place: int) -> Figure:
    shown = _shown(study)
    rows = _rows(shown[0], target) if shown else []
    names = [best.attribute for best in rows]
    series = [_area_dots(judged, target, names, number) for number, judged in enumerate(shown)]
    ahead = sum(
        one is not None and all(other is not None and one > other for other in others)
        for one, *others in zip(*(dots.values for dots in series), strict=True)
    )
    caption = (
        f"How well the best direction of each set tells an attribute of the {target}:"
        f" the SAE's is ahead for {ahead} of {len(names)} values"
    )
    labels = [value_of(name) for name in names]
    svg = plots.dots(f"auc-{place}", f"{caption}.", labels, series, AUC, [Guide(CHANCE, "", "x")])
    legend = [LegendEntry(one.name, plots.swatch(one.look)) for one in series]
    return Figure(caption, [Panel("", svg)], legend, is_wide=True)


def _shown(study: InterpretationStudy) -> list[SetMeasures]:
    found = []
    for beginning in SHOWN:
        alike = [s for s in study.sets if s.name == beginning] or [
            s for s in study.sets if s.name.startswith(beginning)
        ]
        found += alike[:1]
    return found


def _rows(judged: SetMeasures, target: str) -> list[BestDirection]:
    """By attribute name, the best told first."""
    best = [b for b in judged.best if b.target == target]
    return sorted(best, key=lambda b: (b.attribute.partition("=")[0], -b.roc_auc))


def _area_dots(judged: SetMeasures, target: str, names: Sequence[str], number: int) -> Dots:
    by_name = {b.attribute: b for b in judged.best if b.target == target}
    found = [by_name.get(name) for name in names]
    look = LOOKS[number]
    return Dots(
        name=judged.name,
        values=[None if b is None else b.roc_auc for b in found],
        look=type(look)(look.colour, "", look.marker),
        lows=[None if b is None else b.roc_auc_low for b in found],
        highs=[None if b is None else b.roc_auc_high for b in found],
    )


def _examples(study: InterpretationStudy) -> Examples:
    return Examples(
        heading="The clearest features, each of another attribute, with their strongest items",
        examples=[_example(example) for example in study.examples[:12]],
    )


def _example(shown: FeatureExample) -> Example:
    return Example(
        title=f"Feature {shown.feature_index}: {value_of(shown.attribute)}",
        facts=(
            f"{percent(shown.precision, 0)} of its strongest moments carry {shown.attribute}"
            f" (of all moments: {percent(shown.carried_share, 0)}); AUC {shown.roc_auc:.2f};"
            f" active at {percent(shown.density)} of moments"
        ),
        items=shown.items[:8],
    )
