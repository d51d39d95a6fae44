"""The edits of many histories at once: what `steering.edit.edit` says of each, in one pass.

Every touched feature of every row lies in one line of numbers, row by row and position by position,
so a batch costs about as many calls of numpy as one row. Nothing is as wide as the SAE.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from steering import few
from steering.columns import operations_of
from steering.edit import Edit, edit
from steering.fates import fates
from steering.merge import Merged
from steering.plan import Limits
from steering.rules import Operation
from steering.space import FeatureSpace, Floats
from steering.stages import Activations, stages
from steering.touched import Row, Touched

NONE = np.full(1, np.nan)
"""What no rule says, for every feature."""
IN_ORDER = (Operation.SCALE, Operation.ADD, Operation.SET, Operation.FLOOR, Operation.CAP)
"""As `Merged` has them."""


class Model(NamedTuple):
    """What the rows of a batch share."""

    space: FeatureSpace
    """Of the bundle."""
    activations: Floats
    """[positions of all rows, d_sae] from the encoder."""
    hidden: Floats
    """[positions of all rows, d_model]."""
    w_dec: Floats
    """[d_sae, d_model] decoder rows, in the hidden state's own units."""

    def of(self, row: Row) -> tuple[FeatureSpace, Floats, Floats, Floats]:
        """What `steering.edit.edit` takes of one row, beside its plan."""
        own = slice(row.start, row.end)
        return self.space, self.activations[own], self.hidden[own], self.w_dec


class Shifted(NamedTuple):
    """What the rows' edits come to."""

    after: Activations
    """[line] activations after rules and limits, raw."""
    shift: Floats
    """[positions, d_model] what is added to the hidden states; 0 where no row is edited."""
    norm_share: list[float]
    """Per row, at its newest position."""
    is_clipped: list[bool]
    """Per row, whether its shift was scaled down at any position."""
    is_moved: list[bool]
    """Per row, whether its shift is other than 0 at any position."""


def edits(rows: Sequence[Row], model: Model) -> list[Edit]:
    """The edit of each row, in order; its neighbours change nothing about it.

    Rules with an activation range make a row go by itself, through `steering.edit.edit`.

    Args:
        rows: plans, and where their positions are; the positions follow each other.
        model: the rows' activations and hidden states.
    """
    done: dict[int, Edit] = {}
    alike: dict[Limits, list[int]] = {}
    for i, row in enumerate(rows):
        if row.plan.has_ranges:
            done[i] = edit(row.plan, *model.of(row))
        else:
            alike.setdefault(row.plan.limits, []).append(i)
    for limits, places in alike.items():
        own = [rows[i] for i in places]
        made = _by_row(own, model) if _are_few(own) else _at_once(own, limits, model)
        done.update(zip(places, made, strict=True))
    return [done[i] for i in range(len(rows))]


def _are_few(rows: Sequence[Row]) -> bool:
    return (
        len(rows) <= few.MOST
        and all(row.end - row.start == 1 for row in rows)
        and sum(len(row.plan.merged.features) for row in rows) <= few.MOST
    )


def _by_row(rows: Sequence[Row], model: Model) -> Iterator[Edit]:
    return (few.few_edited(row.plan, *model.of(row)) for row in rows)


def _at_once(rows: Sequence[Row], limits: Limits, model: Model) -> Iterator[Edit]:
    """Those of rows that have the same limits and no activation ranges."""
    touched = Touched.by(rows)
    own = touched.features
    before = model.activations[touched.positions, own].astype(np.float64)
    kinds = {own for row in rows for own in operations_of(row.plan.rules)}
    line = _line(touched, kinds)
    steps = stages(line, limits, model.space.reference[own], before[np.newaxis], kinds)
    shifted = _shifted(touched, before, steps.limited[0], limits.max_shift_share, model)
    told = fates(touched, line, steps, shifted.after, shifted.is_clipped, model.activations)
    for i, row in enumerate(rows):
        yield Edit(
            features=row.plan.merged.features,
            before=touched.of_row(before, i),
            after=touched.of_row(shifted.after, i),
            shift=shifted.shift[row.start : row.end],
            norm_share=shifted.norm_share[i],
            is_shift_clipped=shifted.is_clipped[i],
            is_identity=not shifted.is_moved[i],
            reports=told[i],
        )


def _line(touched: Touched, kinds: Collection[Operation]) -> Merged:
    """The rules of every row as if they were one row's; what is of no kind stays empty."""
    merges = [row.plan.merged for row in touched.rows]
    columns = (
        touched.spread([own.of(operation) for own in merges]) if operation in kinds else NONE
        for operation in IN_ORDER
    )
    return Merged(touched.features, *columns)


def _shifted(
    touched: Touched, before: Activations, limited: Activations, max_share: float, model: Model
) -> Shifted:
    shift = np.zeros_like(model.hidden)
    delta = limited - before
    _add_decoded(shift, touched, range(len(touched.rows)), delta, model.w_dec)
    length, stays = lengths(shift), lengths(model.hidden)
    is_long = length > max_share * stays
    clipped = touched.any_position(is_long)
    after = limited
    if any(clipped):
        kept = np.ones(len(length))
        np.divide(max_share * stays, length, out=kept, where=is_long)
        cut = [i for i, is_cut in enumerate(clipped) if is_cut]
        after = limited.copy()
        for i in cut:
            line = slice(*touched.ends[i : i + 2])
            after[line] = before[line] + kept[touched.positions[line]] * delta[line]
        _add_decoded(shift, touched, cut, after - before, model.w_dec)
        length = lengths(shift)
    newest = touched.newest
    share = np.divide(length, stays, out=np.zeros_like(length), where=length > 0)[newest]
    return Shifted(
        after, shift, share.tolist(), clipped, touched.any_position(np.asarray(shift.any(axis=1)))
    )


def _add_decoded(
    shift: Floats, touched: Touched, rows: Sequence[int], delta: Activations, w_dec: Floats
) -> None:
    """Writes the shift of each of the rows."""
    change, directions = delta.astype(np.float32), w_dec.take(touched.own, axis=0)
    for i in rows:
        own, (start, end) = touched.rows[i], touched.starts[i : i + 2]
        if start < end:
            out = shift[own.start : own.end]
            np.matmul(touched.of_row(change, i), directions[start:end], out=out)


def lengths(vectors: Floats) -> Floats:
    """[positions] norms of vectors [positions, d_model]."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)))
