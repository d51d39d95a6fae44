"""Answers a recorded decision again: its bundle, revisions, request, limits and moment.

The presets are those that applied then, defaults too, and no others: what targeting kept out
stays out, whatever is in force today.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from steerrec.v1 import decision_pb2, recommender_pb2

from model_store.errors import ModelStoreError
from service.decisions.record import limits_of, moment_of
from service.errors import ReplayImpossible
from service.models import ServedModels
from service.presets.compiled import CompiledPresets, StoredPresets, compile_presets
from service.presets.record import Head, PresetRevision
from service.presets.store import PresetStore
from service.query import query_of
from service.recommend import Pinned, Recommender
from service.reply import reply_of
from service.snapshot import ServedModel

CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of two replicas may: one writes a revision, another answers with it."""
Applied = recommender_pb2.AppliedPreset


class Replayer:
    """Answers decisions again."""

    def __init__(self, models: ServedModels, store: PresetStore, recommender: Recommender) -> None:
        """Make it.

        Args:
            models: where bundles come from.
            store: where revisions come from that are no longer kept in memory.
            recommender: with a model worker of its own, so that a row is answered alone.
        """
        self._models = models
        self._store = store
        self._recommender = recommender
        self._loading = asyncio.Lock()

    async def replayed(
        self, decision: decision_pb2.Decision, deadline: float | None
    ) -> recommender_pb2.RecommendResponse:
        """The answer to the decision's request now.

        Raises:
            ReplayImpossible: the bundle, or a revision that applied, is gone.
            StoreUnavailable: a revision is to be read, and Redis is away.
        """
        served = await self._bundle(decision)
        records = [await self._record(decision, served, own) for own in _applied(decision)]
        pinned = Pinned(
            served=replace(served, presets=_only(decision, served, records)),
            limits=limits_of(decision),
            moment=moment_of(decision),
        )
        query = query_of(as_recorded(decision), decision.response.request_id)
        return reply_of(await self._recommender.answer(query, pinned, deadline))

    async def _bundle(self, decision: decision_pb2.Decision) -> ServedModel:
        version = decision.response.model_version
        async with self._loading:
            try:
                return await self._models.version(version)
            except ModelStoreError as error:
                why = f"bundle {version!r} can no longer be loaded: {error}"
                raise ReplayImpossible(decision.decision_id, why) from error

    async def _record(
        self, decision: decision_pb2.Decision, served: ServedModel, applied: Applied
    ) -> PresetRevision:
        """The revision that applied, from memory or from the store."""
        what = f"preset {applied.name!r} revision {applied.revision}"
        kept = served.presets.records.get(applied.name, ())
        found = next((own for own in kept if own.revision == applied.revision), None)
        found = found or await self._store.revision(applied.name, applied.revision)
        if found is None:
            raise ReplayImpossible(decision.decision_id, f"{what} is no longer stored")
        if found.update_time > moment_of(decision) + CLOCKS_DIFFER:
            why = f"{what} was written after it: the one that applied was lost with its store"
            raise ReplayImpossible(decision.decision_id, why)
        return found


def as_recorded(decision: decision_pb2.Decision) -> recommender_pb2.RecommendRequest:
    """The request with each preset at the revision that applied; those that did not left out."""
    request = recommender_pb2.RecommendRequest()
    request.CopyFrom(decision.request)
    request.ClearField("presets")
    left = list(_applied(decision))
    for reference in decision.request.presets:
        own = next((applied for applied in left if _means(reference, applied)), None)
        if own is not None:
            left.remove(own)
            request.presets.add(name=own.name, revision=own.revision)
    request.ignore_defaults = not any(own.is_default for own in _applied(decision))
    return request


def _means(reference: recommender_pb2.PresetReference, applied: Applied) -> bool:
    is_revision = not reference.HasField("revision") or reference.revision == applied.revision
    return reference.name == applied.name and is_revision


def _applied(decision: decision_pb2.Decision) -> Sequence[Applied]:
    return decision.response.applied_presets


def _only(
    decision: decision_pb2.Decision, served: ServedModel, records: Iterable[PresetRevision]
) -> CompiledPresets:
    """These revisions, compiled, and of the defaults among them those that applied as such."""
    defaults = {own.name: own.revision for own in _applied(decision) if own.is_default}
    by_name: dict[str, tuple[PresetRevision, ...]] = {}
    for record in records:
        own = record if defaults.get(record.name) == record.revision else _named_only(record)
        by_name[record.name] = (*by_name.get(record.name, ()), own)
    heads = {
        name: Head(kept[-1].revision, "", False, defaults.get(name, kept[-1].revision))
        for name, kept in by_name.items()
    }
    return compile_presets(StoredPresets(heads, by_name), served.bench, served.presets)


def _named_only(record: PresetRevision) -> PresetRevision:
    """The revision as one that applies only where it is named."""
    if record.targeting is None or not record.targeting.is_default:
        return record
    return replace(record, targeting=replace(record.targeting, is_default=False))
