"""Which attribute values a study of control aims at: named ones, or by a rule."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from model_store.cards import AttributeValue
from training.attributes import AttributeTable, attribute_table
from training.config import Count, Settings
from training.dataset import Dataset
from training.errors import UnknownStudyAttribute

MAX_ITEM_SHARE = 0.5
"""Of the catalogue: a value that most items carry leaves nothing to raise."""


class TargetSettings(Settings):
    """Which attribute values are raised or lowered."""

    attributes: tuple[str, ...] = ()
    """`name=value` of each; none: by the rule of `targets`."""
    n_common: int = 6
    """Values with the most items, by the rule."""
    n_rare: int = 2
    """Values with the fewest items, by the rule."""
    min_items: Count = 20
    """Fewest items of a value, by the rule."""


def targets(dataset: Dataset, settings: TargetSettings) -> AttributeTable:
    """The values that a study aims at.

    By the rule: of the values that at least `min_items` items and at most half of the catalogue
    carry, those with the most items, taken from each attribute name in turn, then those with the
    fewest.

    Raises:
        UnknownStudyAttribute: no item carries a named value.
    """
    named = [AttributeValue(name=n, value=v) for n, _, v in map(_parts, settings.attributes)]
    if named:
        return _columns(attribute_table(dataset, 1), named)
    table = attribute_table(dataset, settings.min_items)
    counts = table.carries.sum(0)
    allowed = [i for i in range(len(counts)) if counts[i] <= MAX_ITEM_SHARE * dataset.n_items]
    order = sorted(allowed, key=lambda i: (-counts[i], i))
    by_name = defaultdict(list)
    for i in order:
        by_name[table.values[i].name].append(i)
    in_turn = [i for turn in zip_longest(*by_name.values()) for i in turn if i is not None]
    common = in_turn[: settings.n_common]
    left = [i for i in reversed(order) if i not in common]
    return _columns(table, [table.values[i] for i in common + left[: settings.n_rare]])


def _parts(text: str) -> tuple[str, str, str]:
    return text.partition("=")


def _columns(table: AttributeTable, values: Sequence[AttributeValue]) -> AttributeTable:
    known = {value: column for column, value in enumerate(table.values)}
    for value in values:
        if value not in known:
            raise UnknownStudyAttribute(f"{value.name}={value.value}")
    return AttributeTable(tuple(values), table.carries[:, [known[value] for value in values]])
