"""Attribute values as columns: which items carry which."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_store.cards import AttributeValue
from training.dataset import Dataset


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """The attribute values that enough items carry."""

    values: tuple[AttributeValue, ...]
    """By name and value."""
    carries: npt.NDArray[np.bool_]
    """[n_items + 1, n_values] by item index; padding carries nothing."""


def attribute_table(dataset: Dataset, min_items: int) -> AttributeTable:
    """The values carried by at least `min_items` items, and by at least one item fewer than all."""
    counts = Counter(
        (name, value)
        for item in dataset.items
        for name, values in item.attributes.items()
        for value in set(values)
    )
    telling = sorted(key for key, n in counts.items() if min_items <= n < dataset.n_items)
    carries = np.zeros((dataset.n_items + 1, len(telling)), dtype=np.bool_)
    columns = {key: column for column, key in enumerate(telling)}
    for index, item in enumerate(dataset.items, start=1):
        for name, values in item.attributes.items():
            found = (columns.get((name, value)) for value in values)
            carries[index, [column for column in found if column is not None]] = True
    return AttributeTable(tuple(AttributeValue(name=n, value=v) for n, v in telling), carries)
