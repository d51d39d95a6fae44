"""What a reply tells beside its slate: target, budget, what moved, and what caused it."""

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table
from rich.text import Text
from steerrec.v1 import recommender_pb2

from cli.output import table
from cli.slates import rule_name

TARGET_STYLES = {
    recommender_pb2.TARGET_STATUS_ATTAINED: "green",
    recommender_pb2.TARGET_STATUS_SATURATED: "yellow",
    recommender_pb2.TARGET_STATUS_LIMITED_BY_BUDGET: "yellow",
    recommender_pb2.TARGET_STATUS_UNREACHABLE: "red",
}
SHOWN_CAUSES = 3
"""Contributions to one item that fit a line."""
LABEL_WIDTH = 24
"""Characters of a feature's label that let so many fit."""
SHOWN_SHARES = 10
"""Attributes of a counterfactual that fit a screen."""


def reported(reply: recommender_pb2.RecommendResponse) -> Iterator[Table | Text]:
    """Target, budget, contributions and shares, each where the reply has it."""
    if reply.HasField("target_report"):
        yield _target_table(reply)
        yield target_text(reply.target_report)
    if reply.HasField("budget_report"):
        yield budget_text(reply.budget_report)
    if reply.rule_contribution_method:
        yield _rule_causes(reply)
    if reply.feature_contribution_method:
        yield _feature_causes(reply)
    if reply.counterfactual.shares:
        yield _shares_table(reply.counterfactual)


def before_after_table(reply: recommender_pb2.RecommendResponse) -> Table:
    """The unsteered and the steered slate, rank by rank, with where each item went."""
    made = table("#", "unsteered", "now", "steered", "was", right=("#", "now", "was"))
    titles = {item.item_id: _called(item.item_id, item.title) for item in reply.items}
    before, after = reply.counterfactual.items, reply.items
    ranks = {item.item_id: rank for rank, item in enumerate(before, start=1)}
    for rank in range(max(len(before), len(after))):
        left = _before(before[rank], titles) if rank < len(before) else (Text(), Text())
        right = _after(after[rank], ranks, titles) if rank < len(after) else (Text(), Text())
        made.add_row(str(rank + 1), *left, *right)
    return made


def target_text(report: recommender_pb2.TargetReport) -> Text:
    """What became of a target, and why."""
    status = recommender_pb2.TargetStatus.Name(report.status).removeprefix("TARGET_STATUS_")
    text = Text("target: ")
    text.append(status, style=TARGET_STYLES.get(report.status, ""))
    text.append(f" on the top {report.at_k}, tolerance {report.tolerance:g}")
    return text.append(f"; {report.message}") if report.message else text


def budget_text(report: recommender_pb2.BudgetReport) -> Text:
    """What the budget did."""
    text = Text(
        f"budget: {report.overlap:.0%} of the unsteered top {report.at_k} kept, "
        f"{report.score_retained:.1%} of its relevance; "
        f"{report.edit_share:.0%} of the edit carried out"
    )
    return text.append(f"; {report.message}", style="yellow") if report.message else text


def skipped_text(presets: Sequence[recommender_pb2.SkippedPreset]) -> Text:
    """The presets whose targeting kept them out, one a line."""
    lines = []
    for skipped in presets:
        why = recommender_pb2.SkipReason.Name(skipped.reason).removeprefix("SKIP_REASON_")
        default = " (default)" if skipped.is_default else ""
        detail = f": {skipped.message}" if skipped.message else ""
        lines.append(f"skipped: {skipped.name}@{skipped.revision}{default} {why}{detail}")
    return Text("\n".join(lines), style="dim")


def _target_table(reply: recommender_pb2.RecommendResponse) -> Table:
    """Wanted and reached shares; the strength is the one solved before the budget's part."""
    budget = reply.budget_report
    is_held_back = reply.HasField("budget_report") and budget.edit_share < 1
    part_text = f", {budget.edit_share:.0%} of it carried out" if is_held_back else ""
    columns = ("wanted", "before", "after", "strength")
    made = table("target", *columns, right=columns)
    for part in reply.target_report.attributes:
        made.add_row(
            f"{part.attribute.name}={part.attribute.value}",
            f"{part.wanted_share:.1%}",
            f"{part.share_before:.1%}",
            f"{part.share_after:.1%}",
            f"{part.strength:+.2f}{part_text}",
        )
    return made


def _before(item: recommender_pb2.UnsteeredItem, titles: dict[str, str]) -> tuple[Text, Text]:
    is_out = not item.HasField("steered_rank")
    style, now = ("red", "out") if is_out else ("", str(item.steered_rank))
    name = titles.get(item.item_id) or f"{item.item_id} {item.title}".strip()
    return Text(name, style=style), Text(now, style=style)


def _after(
    item: recommender_pb2.RecommendedItem, ranks: dict[str, int], titles: dict[str, str]
) -> tuple[Text, Text]:
    style = "" if item.item_id in ranks else "green"
    was = str(ranks[item.item_id]) if item.item_id in ranks else _rank_below(item)
    return Text(titles[item.item_id], style=style), Text(was, style=style)


def _rank_below(item: recommender_pb2.RecommendedItem) -> str:
    """Its unsteered rank where the reply tells it, else that it is new."""
    return str(item.unsteered_rank) if item.HasField("unsteered_rank") else "new"


def _shares_table(counterfactual: recommender_pb2.Counterfactual) -> Table:
    title = f"what moved; {counterfactual.overlap:.0%} of the slate is still there"
    columns = ("before", "after", "change")
    made = table("attribute", *columns, title=title, right=columns)
    for share in counterfactual.shares[:SHOWN_SHARES]:
        change = share.share_after - share.share_before
        made.add_row(
            f"{share.attribute.name}={share.attribute.value}",
            f"{share.share_before:.0%}",
            f"{share.share_after:.0%}",
            f"{change:+.0%}",
        )
    return made


def _rule_causes(reply: recommender_pb2.RecommendResponse) -> Table:
    names = [rule_name(report) for report in reply.rule_reports]
    return _causes(
        f"what rules did to scores ({_method(reply.rule_contribution_method)})",
        reply.items,
        (
            [(names[one.report_index], one.score_change) for one in item.rule_contributions]
            for item in reply.items
        ),
    )


def _feature_causes(reply: recommender_pb2.RecommendResponse) -> Table:
    return _causes(
        f"which features drive scores ({_method(reply.feature_contribution_method)})",
        reply.items,
        (
            [
                (f"{one.feature_index} {_shortened(one.label)}".rstrip(), one.score_change)
                for one in item.feature_contributions
            ]
            for item in reply.items
        ),
    )


def _causes(
    title: str,
    items: Sequence[recommender_pb2.RecommendedItem],
    causes: Iterable[list[tuple[str, float]]],
) -> Table:
    made = table("rank", "item", "score", "caused by", title=title, right=("rank", "score"))
    for rank, (item, changes) in enumerate(zip(items, causes, strict=True), start=1):
        shown = [f"{change:+.3f} {name}" for name, change in changes[:SHOWN_CAUSES]]
        more = [f"and {len(changes) - SHOWN_CAUSES} more"] if len(changes) > SHOWN_CAUSES else []
        called = _called(item.item_id, item.title)
        made.add_row(str(rank), called, f"{item.score:.3f}", ", ".join([*shown, *more]))
    return made


def _method(method: recommender_pb2.ContributionMethod.ValueType) -> str:
    name = recommender_pb2.ContributionMethod.Name(method).removeprefix("CONTRIBUTION_METHOD_")
    return name.lower().replace("_", " ")


def _shortened(label: str) -> str:
    return label if len(label) <= LABEL_WIDTH else f"{label[: LABEL_WIDTH - 1]}…"


def _called(item_id: str, title: str) -> str:
    return f"{item_id} {title}".rstrip()
