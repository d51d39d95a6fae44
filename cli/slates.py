"""Slates as tables: alone, side by side, and what the rules did to them."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text
from steerrec.v1 import recommender_pb2, rule_pb2

from cli.output import table, width

FIXED_WIDTH = 28
"""Columns that ranks, moves and borders take where slates stand side by side."""
TITLE_SHARE = 0.6
"""Of what is left of a half, a title's part; the rest is for its attribute values."""

STATUS_STYLES = {
    rule_pb2.RULE_STATUS_APPLIED: "green",
    rule_pb2.RULE_STATUS_CLIPPED: "yellow",
    rule_pb2.RULE_STATUS_UNKNOWN_FEATURE: "red",
}


def slate_table(reply: recommender_pb2.RecommendResponse) -> Table:
    """The slate; titles, attributes and rank moves where the reply is FULL."""
    is_full = any(item.title for item in reply.items)
    names = attribute_names(reply.items)
    columns = ["rank", "item", *(["title", *names, "move"] if is_full else []), "score"]
    made = table(*columns, right=("rank", "move", "score"))
    for rank, item in enumerate(reply.items, start=1):
        described = [item.title, *(values(item, name) for name in names), move(rank, item)]
        cells = [str(rank), item.item_id, *(described if is_full else []), f"{item.score:.3f}"]
        made.add_row(*cells)
    return made


def comparison_table(
    unsteered: recommender_pb2.RecommendResponse, steered: recommender_pb2.RecommendResponse
) -> Table:
    """Both slates, rank by rank; an item that is only in one of them stands out."""
    made = table("#", "unsteered", "", "steered", " ", "move", right=("#", "move"))
    half = max(width() - FIXED_WIDTH, 0) // 2
    title_width = round(TITLE_SHARE * half)
    for column, most in zip(made.columns[1:5], (title_width, half - title_width) * 2, strict=True):
        column.max_width = most
    before = {item.item_id for item in unsteered.items}
    after = {item.item_id for item in steered.items}
    name = next(iter(attribute_names([*unsteered.items, *steered.items])), "")
    made.columns[2].header = made.columns[4].header = name
    for rank in range(1, max(len(unsteered.items), len(steered.items)) + 1):
        left = _half(unsteered.items, rank, name, after, "red")
        right = _half(steered.items, rank, name, before, "green")
        moved = move(rank, steered.items[rank - 1]) if rank <= len(steered.items) else ""
        made.add_row(str(rank), *left, *right, moved)
    return made


def explained(reply: recommender_pb2.RecommendResponse) -> Iterator[Table]:
    """What became of each rule, and the features that were active; nothing where none."""
    if reply.rule_reports:
        yield reports_table(reply.rule_reports)
    if reply.active_features:
        yield _active_table(reply.active_features)


def remarks(reply: recommender_pb2.RecommendResponse) -> Text:
    """Model, presets, shift, request id, and every way in which the answer is degraded."""
    presets = ", ".join(map(_applied, reply.applied_presets)) or "none"
    decision = f" · decision {reply.decision_id}" if reply.decision_id else ""
    clipped = " (clipped)" if reply.shift.is_clipped else ""
    text = Text(
        f"model {reply.model_version} · presets {presets} · "
        f"shift {reply.shift.norm_share:.3f}{clipped} · request {reply.request_id}{decision}",
        style="dim",
    )
    for degraded in reply.degraded:
        text.append(f"\ndegraded: {reason(degraded)}", style="yellow")
    return text


def _applied(preset: recommender_pb2.AppliedPreset) -> str:
    return f"{preset.name}@{preset.revision}{' (default)' if preset.is_default else ''}"


def reason(degraded: recommender_pb2.Degraded) -> str:
    """`UNKNOWN_ITEMS (2): ...`."""
    name = recommender_pb2.DegradedReason.Name(degraded.reason)
    count = f" ({degraded.count})" if degraded.count else ""
    detail = f": {degraded.detail}" if degraded.detail else ""
    return f"{name.removeprefix('DEGRADED_REASON_')}{count}{detail}"


def attribute_names(items: Sequence[recommender_pb2.RecommendedItem]) -> list[str]:
    """The attributes that the items carry; first the one with most values, then by name."""
    counts: dict[str, int] = {}
    for item in items:
        for attribute in item.attributes:
            counts[attribute.name] = counts.get(attribute.name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def values(item: recommender_pb2.RecommendedItem, name: str) -> str:
    """The item's values of one attribute."""
    return ", ".join(a.value for a in item.attributes if a.name == name)


def move(rank: int, item: recommender_pb2.RecommendedItem) -> str:
    """How far the item came: `+12` is up by twelve ranks; empty where the reply does not tell."""
    if not item.HasField("unsteered_rank"):
        return ""
    moved = item.unsteered_rank - rank
    return f"{moved:+d}" if moved else "="


def share(items: Sequence[recommender_pb2.RecommendedItem], attribute: rule_pb2.Attribute) -> float:
    """Share of the items that carry the attribute, 0..1; 0 for no items."""
    return sum(attribute in item.attributes for item in items) / len(items) if items else 0.0


def _half(
    items: Sequence[recommender_pb2.RecommendedItem],
    rank: int,
    name: str,
    others: set[str],
    style: str,
) -> tuple[Text, Text]:
    if rank > len(items):
        return Text(), Text()
    item = items[rank - 1]
    shown = "" if item.item_id in others else style
    return Text(item.title or item.item_id, style=shown), Text(values(item, name), style=shown)


def reports_table(reports: Sequence[rule_pb2.RuleReport]) -> Table:
    """What became of each rule."""
    columns = ("rule", "status", "before", "after", "unit", "why")
    made = table(*columns, title="rules", right=("before", "after"))
    for report in reports:
        status = rule_pb2.RuleStatus.Name(report.status).removeprefix("RULE_STATUS_")
        made.add_row(
            rule_name(report),
            Text(status, style=STATUS_STYLES.get(report.status, "")),
            f"{report.activation_before:.3f}",
            f"{report.activation_after:.3f}",
            rule_pb2.Unit.Name(report.unit).removeprefix("UNIT_").lower(),
            report.message,
        )
    return made


def _active_table(features: Sequence[recommender_pb2.ActiveFeature]) -> Table:
    columns, title = ("feature", "label", "activation"), "most active features"
    made = table(*columns, title=title, right=("feature", "activation"))
    for feature in features:
        made.add_row(str(feature.feature_index), feature.label, f"{feature.activation:.3f}")
    return made


def rule_name(report: rule_pb2.RuleReport) -> str:
    """Where a rule came from, and what its preset calls it."""
    origin = report.origin
    source = f"{origin.preset}@{origin.revision}" if origin.preset else "inline"
    called = f" {report.rule_id}" if report.rule_id else ""
    return f"{source} rules[{origin.index}]{called}"
