"""Numbers as the report writes them."""

from collections.abc import Sequence

DERIVED = ("cluster", "popularity")
"""Names whose values mean nothing alone."""
DASH = "–"  # noqa: RUF001


def percent(share: float | None, digits: int = 1) -> str:
    """`12.3 %` of .123; a dash for None."""
    return DASH if share is None else f"{minus(f'{100 * share:.{digits}f}')} %"


def points(difference: float | None, digits: int = 1) -> str:
    """`+1.2` of .012: a difference of shares in percentage points."""
    return DASH if difference is None else minus(f"{100 * difference:+.{digits}f}")


def figure(value: float | None, digits: int = 4) -> str:
    """`0.1857`; a dash for None."""
    return DASH if value is None else minus(f"{value:.{digits}f}")


def count(value: int) -> str:
    """`6,040`."""
    return f"{value:,}"


def percent_between(
    value: float | None, low: float | None, high: float | None, digits: int = 1
) -> str:
    """`98.6 % (98.1 to 99.0)`: a share with its interval."""
    if value is None or low is None or high is None:
        return percent(value, digits)
    ends = (minus(f"{100 * end:.{digits}f}") for end in (low, high))
    return f"{percent(value, digits)} ({' to '.join(ends)})"


def points_between(
    value: float | None, low: float | None, high: float | None, digits: int = 1
) -> str:
    """`+1.2 (-0.3 to +2.5)`: a difference in percentage points with its interval."""
    if value is None or low is None or high is None:
        return points(value, digits)
    return f"{points(value, digits)} ({points(low, digits)} to {points(high, digits)})"


def figure_between(
    value: float | None, low: float | None, high: float | None, digits: int = 3
) -> str:
    """`0.787 (0.770 to 0.801)`: a figure with its interval."""
    if value is None or low is None or high is None:
        return figure(value, digits)
    return f"{figure(value, digits)} ({figure(low, digits)} to {figure(high, digits)})"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s` or `1 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def value_of(attribute: str) -> str:
    """`Horror` of `genre=Horror`, `cluster 3` of `cluster=3`."""
    name, _, value = attribute.partition("=")
    if not value:
        return attribute
    return f"{name} {value}" if name in DERIVED or value.isdigit() else value


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def minus(text: str) -> str:
    """With a minus sign in place of a hyphen; no sign on a zero."""
    is_zero = not text.strip("+-0.")
    return text.lstrip("+-") if is_zero else text.replace("-", "−")  # noqa: RUF001
