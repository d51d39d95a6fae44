"""What a preset did to many slates, gathered one history at a time; nothing per history is kept."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from model_store.catalogue import Catalogue
from service.slate import DegradedReason, Slate
from steering.report import RuleReport, RuleStatus
from steering.rules import Attribute, Rule
from steering.space import Indices

MAX_SHARES = 20
"""Attributes that a report lists."""
DECIMALS = 6
"""Of gathered values, so that equal shares fall together."""


class Distribution(NamedTuple):
    """Mean and percentiles (linear between ranks) of a value over histories; 0 without any."""

    mean: float
    p5: float
    p50: float
    p95: float


@dataclass(slots=True)
class Gathered:
    """Values of many histories, equal ones counted together."""

    counts: Counter[float] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        """One history's value."""
        self.counts[round(value, DECIMALS)] += 1

    def over(self, count: int) -> Distribution:
        """The distribution over `count` histories; those that gave no value have 0."""
        if not count:
            return Distribution(0.0, 0.0, 0.0, 0.0)
        padded = self.counts + Counter({0.0: count - self.counts.total()})
        values = np.repeat(list(padded), list(padded.values()))
        return Distribution(float(values.mean()), *np.percentile(values, (5, 50, 95)).tolist())


@dataclass(slots=True)
class Share:
    """Share of one attribute in the slates."""

    before: Gathered = field(default_factory=Gathered)
    after: Gathered = field(default_factory=Gathered)
    change: float = 0.0
    """Sum over histories of after less before."""


class Shares(NamedTuple):
    """One attribute's share, as a report tells it."""

    attribute: Attribute
    before: Distribution
    after: Distribution


class RuleShares(NamedTuple):
    """What became of one rule, as parts of the histories."""

    position: int
    """Within the preset."""
    rule_id: str
    applied: float
    inactive: float
    clipped: float
    condition_false: float
    overridden: float


class Effects:
    """Gathers slates before and after a preset.

    Of the histories with a known item, those are counted that the preset's targeting applies it
    to: the others' slates stay as they are.
    """

    def __init__(self, preset: str, rules: Sequence[Rule], catalogue: Catalogue) -> None:
        """Empty.

        Args:
            preset: its name.
            rules: of the preset.
            catalogue: of the bundle.
        """
        self._preset = preset
        self._rules = rules
        self._catalogue = catalogue
        self._shares: dict[Attribute, Share] = {}
        self._overlap, self._norm_share = Gathered(), Gathered()
        self._statuses = [Counter[RuleStatus]() for _ in rules]
        self._gains_before, self._gains_after = 0.0, 0.0
        self.history_count = 0
        """Histories gathered."""
        self.cold_count = 0
        """Those without a known item."""
        self.targeted_count = 0
        """Those that the preset applies to."""
        self.next_known_count = 0
        """Of these, those whose next item is known."""

    def add(self, before: Slate, after: Slate, next_index: int | None) -> None:
        """One history's slates.

        Args:
            before: without the preset.
            after: with it.
            next_index: of the item taken next; None: not known.
        """
        self.history_count += 1
        if any(own.reason is DegradedReason.COLD_START for own in after.degraded):
            self.cold_count += 1
            return
        if not any(own.name == self._preset for own in after.applied):
            return
        self.targeted_count += 1
        self._overlap.add(_overlap(before.items, after.items))
        self._norm_share.add(after.norm_share)
        self._add_shares(before.items, after.items)
        self._add_reports(after.reports)
        if next_index is not None:
            self.next_known_count += 1
            self._gains_before += gain(before.items, next_index)
            self._gains_after += gain(after.items, next_index)

    @property
    def targeted_share(self) -> float:
        """Part of the histories with a known item that the preset applies to."""
        return _part(self.targeted_count, self.history_count - self.cold_count)

    @property
    def overlap(self) -> Distribution:
        """Part of the slate before that is still there."""
        return self._overlap.over(self.targeted_count)

    @property
    def norm_share(self) -> Distribution:
        """Norm of the shift over that of the hidden state."""
        return self._norm_share.over(self.targeted_count)

    @property
    def ndcg_before(self) -> float:
        """NDCG of the slates before, where the next item is known."""
        return _part(self._gains_before, self.next_known_count)

    @property
    def ndcg_after(self) -> float:
        """NDCG of the slates after, likewise."""
        return _part(self._gains_after, self.next_known_count)

    def shares(self) -> Iterator[Shares]:
        """Attributes of the rules first, then those whose mean share changes most."""
        own = dict.fromkeys(r.target for r in self._rules if isinstance(r.target, Attribute))
        by_change = sorted(self._shares, key=lambda a: (-abs(self._shares[a].change), str(a)))
        for attribute in [*own, *(a for a in by_change if a not in own)][:MAX_SHARES]:
            share = self._shares.get(attribute, Share())
            count = self.targeted_count
            yield Shares(attribute, share.before.over(count), share.after.over(count))

    def rules(self) -> Iterator[RuleShares]:
        """What became of each rule, in order."""
        for i, (rule, statuses) in enumerate(zip(self._rules, self._statuses, strict=True)):
            parts = (_part(statuses[status], self.targeted_count) for status in STATUSES)
            yield RuleShares(i, rule.rule_id, *parts)

    def _add_shares(self, before: Indices, after: Indices) -> None:
        old, new = self._attribute_shares(before), self._attribute_shares(after)
        for attribute in old.keys() | new.keys():
            share = self._shares.setdefault(attribute, Share())
            share.before.add(old.get(attribute, 0.0))
            share.after.add(new.get(attribute, 0.0))
            share.change += new.get(attribute, 0.0) - old.get(attribute, 0.0)

    def _attribute_shares(self, items: Indices) -> Mapping[Attribute, float]:
        counts = Counter(
            Attribute(name, value)
            for index in items.tolist()
            for name, values in self._catalogue.attributes[index].items()
            for value in set(values)
        )
        return {attribute: count / len(items) for attribute, count in counts.items()}

    def _add_reports(self, reports: Iterable[RuleReport]) -> None:
        for report in reports:
            if report.origin.preset == self._preset:
                self._statuses[report.origin.index][report.status] += 1


STATUSES = (
    *(RuleStatus.APPLIED, RuleStatus.INACTIVE, RuleStatus.CLIPPED),
    *(RuleStatus.CONDITION_FALSE, RuleStatus.OVERRIDDEN),
)
"""In the order of `RuleShares`."""


def gain(items: Indices, next_index: int) -> float:
    """NDCG of one slate with one relevant item: 1 / log2(rank + 1); 0 where it is not in it.

    Source: Järvelin and Kekäläinen 2002; the ideal slate has the item first, so its DCG is 1.
    """
    (places,) = np.nonzero(items == next_index)
    return 1 / math.log2(int(places[0]) + 2) if len(places) else 0.0


def _overlap(before: Indices, after: Indices) -> float:
    """Part of the slate before that is in the slate after; an empty one is all there."""
    return float(np.isin(before, after).mean()) if len(before) else 1.0


def _part(count: float, total: int) -> float:
    return count / total if total else 0.0
