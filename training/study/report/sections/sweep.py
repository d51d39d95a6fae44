"""The sweep over autoencoders: what each keeps at which sparsity, and the one that is used."""

from collections.abc import Sequence

from training.study.report import plots
from training.study.report.blocks import (
    Block,
    Cell,
    Figure,
    Folded,
    LegendEntry,
    Panel,
    Points,
    Section,
    Table,
    Verdict,
)
from training.study.report.plots import Axis, Guide, Series
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.svg import INK, LOOKS, Look
from training.study.report.wording import (
    DASH,
    count,
    duration,
    figure,
    percent,
    percent_between,
)
from training.study.selection import SaeRow
from training.study.sweep import SweepStudy

NAME, TITLE = "sweep", "Choosing the autoencoder"
QUESTION = (
    "How many features must be active so that the model loses nothing when its hidden state is"
    " replaced by their sum?"
)
GOAL_L0 = 32
SHOWN_BELOW = 0.06
"""How far below the goal a drawing goes."""
KIND_LOOKS = {
    kind: Look(look.colour, "", look.marker)
    for kind, look in zip(("topk", "batchtopk", "relu", "jumprelu"), LOOKS, strict=False)
}
RING = Look(INK, "", "o", is_ring=True)
L0 = Axis("L0: features active at a time")


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.sweep
    if study is None:
        return absent(NAME, TITLE, QUESTION, "sweep")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=[
            _figure(study),
            Points("The rule that picks one, written before the sweep", [study.rule]),
            _table("The one in use, and its neighbours", study, _nearest(study)),
            Folded(f"All {len(study.rows)} autoencoders", [_table("All", study, study.rows)]),
            *_stability(study),
        ],
        reading=(
            "Each mark is one autoencoder. Up is better: more of the model's quality is kept when"
            " it has to work with the sum of features instead of its own hidden state. Left is"
            " better too: fewer features at a time are easier to look through.",
            "The ring marks the autoencoder that the rule picked.",
            "A stable feature is found again when the autoencoder is trained with another seed:"
            " the same direction (cosine above 0.8) that is active at the same moments (correlation"
            " above 0.8).",
        ),
        limits=(
            f"The choice was made on the validation items of {count(study.n_users)} users; the"
            " test items were read for the chosen one alone.",
            "All autoencoders read one base model. Small differences in quality kept are noise:"
            " the intervals say how much.",
        ),
    )


def verdicts(results: StudyResults) -> Sequence[Verdict]:
    """Whether the chosen autoencoder reaches the goals."""
    study = results.sweep
    kept_goal = 0.985 if study is None else study.kept_goal
    dead_goal = 0.01 if study is None else study.dead_goal
    kept = f"An autoencoder with at most {GOAL_L0} active features keeps {percent(kept_goal)}"
    dead = f"Fewer than {percent(dead_goal, 0)} of its features are dead"
    if study is None:
        return [Verdict(goal, "not run", None, NAME) for goal in (kept, dead)]
    row = study.selected.row
    best = max(_sparse(study), key=lambda one: one.ndcg_kept_share, default=None)
    is_kept = best is not None and best.ndcg_kept_share >= kept_goal
    measured = [f"the one picked: {percent(row.ndcg_kept_share)} with {row.l0:.1f} active"]
    if best is not None and best != row:
        told = f"{percent(best.ndcg_kept_share)} ({best.kind} after {_place(best)})"
        measured.append(f"the best of those with at most {GOAL_L0}: {told}")
    return [
        Verdict(kept, "; ".join(measured), is_kept, NAME),
        Verdict(dead, f"{percent(row.dead_share, 2)} dead", row.dead_share < dead_goal, NAME),
    ]


def _sparse(study: SweepStudy) -> list[SaeRow]:
    """Those with few enough active features, one tenth of a feature let pass."""
    return [row for row in study.rows if row.l0 < GOAL_L0 + 0.1]


def _answer(study: SweepStudy) -> str:
    chosen, row = study.selected, study.selected.row
    reached = (
        "It stays within both bounds of the rule"
        if chosen.reaches_goals
        else "No autoencoder stays within both bounds of the rule, and this one comes nearest"
    )
    return (
        f"Of {len(study.rows)} autoencoders the rule picks a {row.kind} one with"
        f" {count(row.d_sae)} features, {row.l0:.1f} of them active at a time, reading the hidden"
        f" state after {_place(row)}. With its reconstruction the model keeps"
        f" {_kept(row)} of its NDCG@10 on the validation items and"
        f" {percent(chosen.test_ndcg_kept_share)} on the test items;"
        f" {percent(row.dead_share, 2)} of its features are dead. {reached}: at least"
        f" {percent(study.kept_goal)} kept and fewer than {percent(study.dead_goal, 0)} dead."
    )


def _place(row: SaeRow) -> str:
    return f"the {row.hook}" if "norm" in row.hook else row.hook


def _figure(study: SweepStudy) -> Figure:
    kinds = [kind for kind in KIND_LOOKS if any(row.kind == kind for row in study.rows)]
    row = study.selected.row
    alt = (
        f"Marks for {len(study.rows)} autoencoders; the chosen one has {row.l0:.1f} active"
        f" features, keeps {percent(row.ndcg_kept_share)} and leaves {percent(row.fvu)} unexplained"
    )
    floor = study.kept_goal - SHOWN_BELOW
    n_below = sum(one.ndcg_kept_share < floor for one in study.rows)
    kept = Axis("NDCG@10 kept", is_percent=True, bounds=(floor, 1.01 + _excess(study)))
    unexplained = Axis("variance unexplained (FVU)", is_percent=True, is_log=True)
    goal = [Guide(study.kept_goal, "goal"), Guide(GOAL_L0, f"{GOAL_L0}", "x")]
    panels = [
        Panel(
            f"{hook}: quality kept",
            plots.lines(
                f"kept-{place}", f"{hook}. {alt}.", _marks(study, hook, "kept"), L0, kept, goal
            ),
        )
        for place, hook in enumerate(_hooks(study))
    ]
    hook = _busiest(study)
    panels.append(
        Panel(
            f"{hook}: variance unexplained",
            plots.lines("fvu", f"{hook}. {alt}.", _marks(study, hook, "fvu"), L0, unexplained),
        )
    )
    legend = [LegendEntry(kind, plots.swatch(KIND_LOOKS[kind])) for kind in kinds]
    legend.append(LegendEntry("picked by the rule", plots.swatch(RING)))
    caption = "What autoencoders keep, by how many features are active"
    below = f"; {n_below} that keep less than {percent(floor)} are in the table" if n_below else ""
    return Figure(f"{caption}{below}", panels, legend)


def _excess(study: SweepStudy) -> float:
    """How far the best lies above 100 %."""
    return max(0.0, *(row.ndcg_kept_share - 1 for row in study.rows))


def _hooks(study: SweepStudy) -> list[str]:
    """The hook point with the most autoencoders, and the chosen one's; the table has all."""
    return list(dict.fromkeys([_busiest(study), study.selected.row.hook]))


def _busiest(study: SweepStudy) -> str:
    hooks = [row.hook for row in study.rows]
    return max(hooks, key=hooks.count)


def _marks(study: SweepStudy, hook: str, measure: str) -> list[Series]:
    def value(row: SaeRow) -> float:
        return row.ndcg_kept_share if measure == "kept" else row.fvu

    chosen = study.selected.row
    found = []
    for kind, look in KIND_LOOKS.items():
        rows = [row for row in study.rows if row.kind == kind and row.hook == hook]
        if rows:
            found.append(Series(kind, [r.l0 for r in rows], [value(r) for r in rows], look))
    if chosen.hook == hook:
        found.append(Series("picked", [chosen.l0], [value(chosen)], RING))
    return found


def _nearest(study: SweepStudy) -> list[SaeRow]:
    """The chosen one, the other hooks at its settings, and the best of each kind."""
    chosen = study.selected.row
    best = [
        max((row for row in study.rows if row.kind == kind), key=lambda row: row.ndcg_kept_share)
        for kind in KIND_LOOKS
        if any(row.kind == kind for row in study.rows)
    ]
    hooks = [row for row in study.rows if _alike(row, chosen)]
    return list(dict.fromkeys([chosen, *hooks, *best]))


def _alike(row: SaeRow, chosen: SaeRow) -> bool:
    """Whether only the hook differs."""
    own = ("kind", "d_sae", "k", "penalty", "learning_rate", "max_positions", "steps")
    return all(getattr(row, name) == getattr(chosen, name) for name in own)


def _table(caption: str, study: SweepStudy, rows: Sequence[SaeRow]) -> Table:
    headings = (
        *("kind", "hook", "features", "k or penalty", "seed", "L0", "FVU", "cosine", "dead"),
        *("NDCG kept (95 % interval)", "best AUC, mean", "training"),
    )
    return Table(
        caption=caption,
        headings=headings,
        rows=[_cells(row, is_chosen=row == study.selected.row) for row in rows],
        note=(
            "Best AUC: how well the best feature of each attribute tells items with it from those"
            " without, mean over attributes, on users who did not pick the feature."
        ),
        n_text_columns=2,
    )


def _cells(row: SaeRow, *, is_chosen: bool) -> list[Cell]:
    sparse = (
        str(row.k) if row.k is not None else DASH if row.penalty is None else f"{row.penalty:g}"
    )
    texts = (
        *(row.kind, row.hook, f"{count(row.d_sae)} (x{row.width_factor})", sparse, str(row.seed)),
        *(f"{row.l0:.1f}", figure(row.fvu), figure(row.cosine), percent(row.dead_share, 2)),
        *(_kept(row), figure(row.interpretability, 3), duration(row.train_s) + _own(row)),
    )
    return [Cell(text, "strong" if is_chosen else "") for text in texts]


def _own(row: SaeRow) -> str:
    """What of its training is not the run's."""
    settings = (("rate", row.learning_rate), ("positions", row.max_positions), ("steps", row.steps))
    own = ", ".join(f"{name} {value:g}" for name, value in settings if value is not None)
    return f" ({own})" if own else ""


def _kept(row: SaeRow) -> str:
    return percent_between(row.ndcg_kept_share, row.ndcg_kept_low, row.ndcg_kept_high)


def _stability(study: SweepStudy) -> list[Block]:
    rows = [
        (
            f"{pair.kind}, block {pair.block}, {count(pair.d_sae)} features, k {pair.k}",
            f"{pair.seed} and {pair.other_seed}",
            percent(pair.stable_share),
        )
        for pair in study.stability
    ]
    headings = ("autoencoder", "seeds", "features found again")
    return [Table("Features that another seed finds too", headings, rows)] if rows else []
