"""The request path: pin, plan, encode, steer, score, explain.

A query reads the current snapshot once and carries it to its end; Redis is never asked here.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Protocol, cast

import numpy as np

from model_store.catalogue import Catalogue
from service.asking import asked_of
from service.batcher import Batcher
from service.findings import Findings, features_told, findings_of, unsteered_findings
from service.forward import Answer, Question
from service.inquiry import Asked, Inquired
from service.planning import Planned, planned
from service.query import Query
from service.slate import ActiveFeature, Degraded, DegradedReason, Slate
from service.snapshot import Current, ServedModel
from steering.explain import most_active
from steering.plan import NO_RULES, Limits, Plan
from steering.report import RuleReport
from steering.resolved import Condition
from steering.space import Floats, Indices

MAX_ACTIVE_FEATURES = 10
COLD_START = "cold start: there is no history to steer"
DISABLED = "left out: disable_steering is set"
log = logging.getLogger(__name__)


class PresetFreshness(Protocol):
    """How sure the replica is of its presets."""

    def staleness(self) -> str:
        """Why its presets may not be those of Redis, and their age; empty: they are."""


class History(NamedTuple):
    """A history in item indices."""

    known: list[int]
    """All items that the catalogue has, oldest first."""
    read: list[int]
    """The newest of them: what the model reads."""
    unknown_count: int

    @property
    def cut_count(self) -> int:
        """Older items that the model does not read."""
        return len(self.known) - len(self.read)


@dataclass(frozen=True, eq=False, slots=True)
class Pinned:
    """What one query is answered from, read once."""

    served: ServedModel
    """The bundle with its presets."""
    limits: Limits
    """Bounds of the edit."""
    moment: datetime
    """When schedules are read, UTC."""


class Prepared(NamedTuple):
    """A query on its way to the model."""

    query: Query
    served: ServedModel
    """What answers it."""
    plan: Planned
    question: Question
    """What the model is asked."""
    degraded: Sequence[Degraded]
    """What is known before the model answers."""

    def slate(self, answer: Answer) -> Slate:
        """What the model's answer comes to."""
        return _explained(self.query, self.served, self.plan, answer, self.degraded)


class Recommender:
    """Answers queries from what is served now, or from what they are given."""

    def __init__(
        self,
        current: Current,
        batcher: Batcher,
        freshness: PresetFreshness,
        compile_condition: Callable[[str], Condition],
        limits: Limits,
    ) -> None:
        self._current = current
        self.batcher = batcher
        """Asks the model."""
        self._freshness = freshness
        self._compile_condition = compile_condition
        self._limits = limits

    async def recommend(self, query: Query, deadline: float | None) -> Slate:
        """The slate of a query.

        Args:
            query: checked.
            deadline: on the clock of `time.perf_counter`; None: none.

        Raises:
            ServiceError, SteeringError: see `service.status.TABLE`.
        """
        return await self.answer(query, self.pin(query.model), deadline)

    def pin(self, model: str) -> Pinned:
        """What is served now under a label or version.

        Raises:
            ModelNotServed: neither is.
        """
        served = self._current.snapshot.model(model)
        return Pinned(served, self._limits, datetime.now(UTC))

    async def answer(self, query: Query, pinned: Pinned, deadline: float | None) -> Slate:
        """The slate of a query from what is pinned; `query.model` is not looked at.

        Raises:
            ServiceError, SteeringError: see `service.status.TABLE`.
        """
        own = self.prepared(query, pinned, self.plan(query, pinned))
        if isinstance(own, Slate):
            return own
        served = pinned.served
        return own.slate(
            await self.batcher.ask(served.bundle, served.space, own.question, deadline)
        )

    def plan(self, query: Query, pinned: Pinned) -> Planned:
        """What applies to the query.

        Raises:
            ServiceError, SteeringError: see `service.status.TABLE`.
        """
        return planned(query, pinned.served, self._compile_condition, pinned.limits, pinned.moment)

    def prepared(self, query: Query, pinned: Pinned, plan: Planned) -> Prepared | Slate:
        """The query as the model is asked it; its slate where the model is not needed.

        Raises:
            ServiceError, SteeringError: see `service.status.TABLE`.
        """
        served = pinned.served
        catalogue = served.bundle.catalogue
        history = history_of(query.history, catalogue, served.bundle.manifest.base_model.max_seq)
        excluded = _excluded(query, history, catalogue)
        degraded = [*_history_faults(history)] if len(history.read) < len(query.history) else []
        if plan.layers:
            degraded += self._preset_faults(plan)
        asked = _asked(query, served, plan)
        if not history.read:
            return _cold_start(query, served, plan, excluded, degraded)
        question = Question(
            items=np.fromiter(history.read, np.int64, len(history.read)),
            excluded=excluded,
            k=query.k,
            plan=_to_carry_out(query, plan, pinned.limits, asked),
            is_full=query.is_full,
            asked=asked,
            cache=served.states,
        )
        return Prepared(query, served, plan, question, degraded)

    def _preset_faults(self, plan: Planned) -> Iterator[Degraded]:
        for skipped in plan.skipped:
            if skipped.is_default:
                _log_once(skipped.why)
            yield Degraded(DegradedReason.PRESET_SKIPPED, skipped.why)
        for preset in plan.applied:
            if preset.refused_revision:
                newest = f"preset {preset.name!r} revision {preset.refused_revision}"
                detail = f"{newest} cannot be honoured; revision {preset.revision} goes on"
                yield Degraded(DegradedReason.PRESET_SKIPPED, detail)
        if stale := self._freshness.staleness():
            yield Degraded(DegradedReason.STALE_PRESETS, stale)


@lru_cache(maxsize=256)
def _log_once(fault: str) -> None:
    """Tells the log of a default that cannot apply, and not again at every request."""
    log.warning("%s", fault)


def history_of(item_ids: Sequence[str], catalogue: Catalogue, max_seq: int) -> History:
    """The history in item indices, unknown ids left out."""
    known = [*map(catalogue.index_of.get, item_ids)]
    if None in known:
        known = [index for index in known if index is not None]
    own = cast("list[int]", known)
    return History(own, own[-max_seq:], len(item_ids) - len(own))


def _excluded(query: Query, history: History, catalogue: Catalogue) -> Indices:
    """Item indices never to answer, each once."""
    indices = set(() if query.may_repeat_history else history.known)
    if query.excluded:
        index_of = catalogue.index_of
        indices.update(index_of[item_id] for item_id in query.excluded if item_id in index_of)
    return np.fromiter(indices, np.int64, len(indices))


def _history_faults(history: History) -> Iterator[Degraded]:
    if history.unknown_count:
        detail = "items of the history are not in the catalogue and were skipped"
        yield Degraded(DegradedReason.UNKNOWN_ITEMS, detail, history.unknown_count)
    if history.cut_count:
        detail = f"only the newest {len(history.read)} items were read"
        yield Degraded(DegradedReason.HISTORY_TRUNCATED, detail, history.cut_count)


def _asked(query: Query, served: ServedModel, plan: Planned) -> Asked | None:
    """What takes several rows of the model; None: nothing."""
    if query.wishes is None:
        return None
    return asked_of(
        query.wishes,
        served,
        plan.plan,
        is_full=query.is_full,
        is_disabled=query.is_steering_disabled,
    )


def _to_carry_out(query: Query, plan: Planned, limits: Limits, asked: Asked | None) -> Plan:
    own = NO_RULES if query.is_steering_disabled else plan.plan
    # a target's ADD is bound by the same limits, also where there is no rule beside it
    return own if asked is None else replace(own, limits=limits)


def _short(query: Query, count: int) -> Iterator[Degraded]:
    if count < query.k:
        detail = f"only {count} items could be recommended"
        yield Degraded(DegradedReason.SHORT_SLATE, detail, query.k - count)


def _cold_start(
    query: Query,
    served: ServedModel,
    plan: Planned,
    excluded: Indices,
    degraded: Sequence[Degraded],
) -> Slate:
    """The most popular items; their scores are interactions in training."""
    catalogue = served.bundle.catalogue
    popular = catalogue.popularity
    places = max(query.k, query.wishes.places if query.wishes else 0)
    best = popular[: places + len(excluded)]
    longest = best[~np.isin(best, excluded)][:places].astype(np.int64)
    items = longest[: query.k]
    cold = Degraded(DegradedReason.COLD_START, "no known item in the history: the most popular")
    return Slate(
        served=served,
        items=items,
        scores=catalogue.counts[items].astype(np.float32),
        applied=(),
        reports=plan.unsteered_reports(DISABLED if query.is_steering_disabled else COLD_START),
        degraded=[*degraded, cold, *_short(query, len(items))],
        request_id=query.request_id,
        kept_out=plan.kept_out,
        is_full=query.is_full,
        findings=_untouched(query, served, longest, COLD_START),
    )


def _untouched(query: Query, served: ServedModel, items: Indices, why: str) -> Findings | None:
    """What is told of popular items; their scores are interactions in training."""
    if query.wishes is None:
        return None
    scores = served.bundle.catalogue.counts[items].astype(np.float32)
    return unsteered_findings(query.wishes, served, query.k, items, scores, why)


def _explained(
    query: Query,
    served: ServedModel,
    plan: Planned,
    answer: Answer,
    degraded: Sequence[Degraded],
) -> Slate:
    edit, inquired = answer.edit, answer.inquired
    part = inquired.found.steered.part if inquired else 1.0
    acted = inquired.reports if inquired else edit.reports if edit else ()
    reports = (
        plan.unsteered_reports(DISABLED) if query.is_steering_disabled else plan.reports(acted)
    )
    return Slate(
        served=served,
        items=answer.items,
        scores=answer.scores,
        applied=() if query.is_steering_disabled else plan.applied,
        reports=reports,
        degraded=[*degraded, *_short(query, len(answer.items))],
        request_id=query.request_id,
        kept_out=plan.kept_out,
        norm_share=part * edit.norm_share if edit else 0.0,
        is_shift_clipped=edit.is_shift_clipped if edit else False,
        is_full=query.is_full,
        unsteered=answer.unsteered,
        active=_active(served, answer.activations),
        findings=_findings(query, served, inquired, reports),
    )


def _findings(
    query: Query, served: ServedModel, inquired: Inquired | None, reports: Sequence[RuleReport]
) -> Findings | None:
    if query.wishes is None or inquired is None:
        return None
    if not query.is_steering_disabled:
        return findings_of(query.wishes, served, query.k, inquired, reports)
    slate = inquired.found.steered
    untouched = unsteered_findings(
        query.wishes, served, query.k, slate.items, slate.scores, DISABLED
    )
    return replace(untouched, features=features_told(inquired, served))


def _active(served: ServedModel, activations: Floats | None) -> list[ActiveFeature]:
    if activations is None:
        return []
    cards = served.bundle.cards.features
    strongest = most_active(activations, served.space.reference, MAX_ACTIVE_FEATURES)
    return [ActiveFeature(index, cards[index].label, strength) for index, strength in strongest]
