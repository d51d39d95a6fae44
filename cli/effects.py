"""What doses do, as plots, tables and a sentence each."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from steerrec.v1 import feature_pb2, rule_pb2

from cli.dose_plot import dose_plot
from cli.output import table, width

IDENTITY = {rule_pb2.OPERATION_SCALE: 1.0, rule_pb2.OPERATION_ADD: 0.0}
UNITS = {"SCALE": "factor", "ADD": "reference units"}
NUMBERS = ("at 10", "random", "NDCG kept", "overlap", "popularity", "diversity")


def effects_parts(effects: list[feature_pb2.DoseResponse]) -> Iterator[RenderableType]:
    """A heading, a plot, a table and a sentence for each operation."""
    if not effects:
        yield "no effects: this bundle was trained without effect cards"
    for response in effects:
        operation = rule_pb2.Operation.Name(response.operation).removeprefix("OPERATION_")
        axis = f"{operation}, {UNITS[operation]}"
        yield ""
        yield (
            f"{axis}: share of {_spelled(response.attribute)} in the top 20 of "
            f"{response.user_count} users, in percent; dots: 95 % band; dashes: random directions"
        )
        yield dose_plot(response, axis, width())
        yield _points(response)
        yield _summary(response)


def _points(response: feature_pb2.DoseResponse) -> Table:
    columns = ("strength", "share at 20", *NUMBERS)
    made = table(*columns, right=columns)
    for point in response.points:
        made.add_row(
            f"{point.strength:g}",
            _share_band(point.share_at_20),
            f"{point.share_at_10.value:.1%}",
            _range(point.random_share_at_20) if point.HasField("random_share_at_20") else "",
            f"{_share_band(point.ndcg_kept_share, digits=0)}",
            f"{point.overlap_at_20.value:.0%}",
            f"{point.popularity_shift.value:+.3f}",
            f"{point.diversity_shift.value:+.3f}",
        )
    return made


def _summary(response: feature_pb2.DoseResponse) -> str:
    ends = "still rising at the last strength" if _rises(response) else "the share never rises"
    if response.HasField("saturation_strength"):
        ends = f"saturated at {response.saturation_strength:g}"
    others = ", ".join(
        f"{_spelled(other.attribute)} {100 * other.share_change.value:+.1f}"
        for other in response.off_target
    )
    return (
        f"{ends} · SCALE finds nothing for {response.inactive_share:.0%} of users · "
        f"other shares at {response.off_target_strength:g}, in points: {others or 'none'}"
    )


def _rises(response: feature_pb2.DoseResponse) -> bool:
    """Whether any strength above the one that changes nothing gives a larger share."""
    same = IDENTITY[response.operation]
    shares = {point.strength: point.share_at_20.value for point in response.points}
    return max(shares[s] for s in shares if s >= same) > shares[same]


def _share_band(band: feature_pb2.Band, digits: int = 1) -> str:
    low, high = (f"{100 * end:.{digits}f}" for end in (band.low, band.high))
    return f"{band.value:.{digits}%} ({low} to {high})"


def _range(band: feature_pb2.Band) -> str:
    return f"{100 * band.low:.1f} to {100 * band.high:.1f}"


def _spelled(attribute: rule_pb2.Attribute) -> str:
    return f"{attribute.name}={attribute.value}"
