"""Items and interactions together: the `Dataset`."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from training.data.catalogue import ItemFile, read_items
from training.data.config import DataConfig
from training.data.interactions import InteractionFile, read_interactions
from training.dataset import Dataset, Item, history_sha256
from training.errors import DataFault, InvalidData


def read_dataset(config: DataConfig) -> Dataset:
    """The data set in the config's files; the same files give the same order and digest.

    Users come in order of first appearance, items in order of the items file (without one, of
    first appearance). Items that nobody met are not in the catalogue; `notes` says how many.

    Raises:
        InvalidData: a file is at fault; the message names file, row and remedy.
    """
    described = None if config.items is None else read_items(config.items)
    found = read_interactions(
        config.interactions,
        None if described is None else {item.item_id for item in described.items},
        "" if config.items is None else config.items.path.name,
    )
    core = _core(found.frame, config.k_core)
    kept = _long_enough(config, core, found.frame)
    items = _catalogue(kept, described)
    item_ids = [item.item_id for item in items]
    user_ids, histories = _histories(kept, item_ids)
    return Dataset(
        name=config.name or config.interactions.path.stem,
        items=items,
        user_ids=user_ids,
        histories=histories,
        sha256=history_sha256(user_ids, histories, item_ids),
        notes=(
            *_notes(config, described, found, core, n_users=len(user_ids), n_items=len(items)),
            *_empty_attributes(config, items),
        ),
    )


def _empty_attributes(config: DataConfig, items: tuple[Item, ...]) -> Iterator[str]:
    """A sentence for each attribute of the config that no item carries."""
    wanted = (config.items and config.items.attributes) or {}
    for name, source in wanted.items():
        if not any(name in item.attributes for item in items):
            yield f"no item carries the attribute {name!r}, read from {source.column!r}"


def _long_enough(config: DataConfig, core: pl.DataFrame, read: pl.DataFrame) -> pl.DataFrame:
    """The rows of users with a history of the least length.

    Args:
        config: the filters.
        core: the rows of the k-core.
        read: the rows before it.

    Raises:
        InvalidData: no row is left; names the filter that took the last.
    """
    kept = core.filter(pl.len().over("user") >= config.min_history)
    if kept.is_empty():
        problem, remedy = _emptied_by(config, core, read)
        raise InvalidData([DataFault(config.interactions.path, None, problem, remedy)])
    return kept


def _emptied_by(config: DataConfig, core: pl.DataFrame, read: pl.DataFrame) -> tuple[str, str]:
    """What no row passed, and what to change."""
    if read.is_empty():
        name = "" if config.items is None else config.items.path.name
        problem = f"no row is left: every item is missing in {name}"
        remedy = f"write the ids as in {name}, or correct `interactions.item` or `items.item`"
        return problem, remedy
    if core.is_empty():
        problem = f"no row is in the {config.k_core}-core of users and items"
        return problem, f"lower `k_core` ({config.k_core}), or add interactions"
    longest = int(core["user"].value_counts()["count"].to_numpy().max())
    within = f" within the {config.k_core}-core" if config.k_core > 1 else ""
    problem = f"no user has {config.min_history} or more interactions{within}"
    return problem, f"lower `min_history` to {longest} or less, or add interactions"


def _core(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    """The rows left when users and items with fewer than k rows are left out until none is."""
    enough = [pl.len().over(column) >= k for column in ("user", "item")]
    kept = frame.filter(*enough)
    while len(kept) < len(frame):  # a chain of users and items may take as many turns as it is long
        frame, kept = kept, kept.filter(*enough)
    return kept


def _catalogue(frame: pl.DataFrame, described: ItemFile | None) -> tuple[Item, ...]:
    """The items that somebody met."""
    met = frame["item"].unique(maintain_order=True).to_list()
    if described is None:
        return tuple(Item(item_id, item_id, {}) for item_id in met)
    wanted = set(met)
    return tuple(item for item in described.items if item.item_id in wanted)


def _histories(
    frame: pl.DataFrame, item_ids: list[str]
) -> tuple[tuple[str, ...], tuple[npt.NDArray[np.int32], ...]]:
    """User ids, and for each the item indices, oldest first; ties in the file's order."""
    user_ids = frame["user"].unique(maintain_order=True)
    indexed = pl.DataFrame(
        {
            "user": _places(frame["user"], user_ids),
            "item": _places(frame["item"], pl.Series(item_ids)) + 1,
            "key": frame["key"],
        }
    ).sort("user", "key", maintain_order=True)
    lengths = np.bincount(indexed["user"].to_numpy(), minlength=len(user_ids))
    items = indexed["item"].to_numpy().astype(np.int32)
    return tuple(user_ids.to_list()), tuple(np.split(items, np.cumsum(lengths)[:-1]))


def _places(values: pl.Series, names: pl.Series) -> pl.Series:
    """For each value, its place in `names`, from 0."""
    places = pl.Series(range(len(names)), dtype=pl.Int64)
    return values.replace_strict(names, places, return_dtype=pl.Int64)


def _notes(
    config: DataConfig,
    described: ItemFile | None,
    found: InteractionFile,
    core: pl.DataFrame,
    *,
    n_users: int,
    n_items: int,
) -> tuple[str, ...]:
    """What was left out, sorted or filled in."""
    notes = [*found.notes]
    n_outside = len(found.frame) - len(core)
    if n_outside:
        notes.append(f"interactions outside the {config.k_core}-core, left out: {n_outside}")
    n_short = core["user"].n_unique() - n_users
    if n_short:
        notes.append(
            f"users with fewer than {config.min_history} interactions, left out: {n_short}"
        )
    if described is not None and config.items is not None:
        notes += described.notes
        n_unmet = len(described.items) - n_items
        if n_unmet:
            name = config.items.path.name
            notes.append(f"items of {name} that no user met, left out: {n_unmet}")
    return tuple(notes)
