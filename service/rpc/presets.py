"""PresetService."""

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from steerrec.v1 import preset_pb2, preset_pb2_grpc

from service.errors import PresetNotHonoured
from service.presets.audit import AuditEvent, event_to_proto
from service.presets.compiled import Bench, RefusedPreset, check_defaults
from service.presets.diff import differences
from service.presets.errors import StoreUnavailable
from service.presets.follower import PresetFollower
from service.presets.lifecycle import Gate, Lifecycle, Stored, open_gate
from service.presets.loss import LossResolver
from service.presets.record import PresetRevision, to_proto
from service.presets.replicas import ReplicaReporter, asked_for
from service.presets.store import AuditPage, PresetStore
from service.rpc.interceptor import Context
from service.rpc.paging import page_size_of, page_token, position_of
from service.rpc.preset_requests import (
    EDITABLE,
    RESOLUTIONS,
    content_violations,
    etag_violations,
    mask_violations,
    masked,
    name_violations,
    refuse_if,
    resolution_violations,
    revision_violations,
    rules_of,
    signature_violations,
)

SERVED_WITHIN_S = 0.5
"""How long a write waits for this replica to serve it; others follow on their own."""
MAX_READS = 20
"""Of the chain in one call: a page of a preset's own events may be short, and go on."""
STATUS_ALONE = "the store of presets cannot be read: this replica tells of itself alone"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CURSOR = re.compile(r"\d{1,19}-\d{1,19}")
"""Position in the chain."""
NUMBER = re.compile(r"[1-9]\d{0,17}")
"""Position among revisions."""
FIRST = "0-0"
"""Cursor before the first event."""
Write = (
    preset_pb2.CreatePresetRequest
    | preset_pb2.UpdatePresetRequest
    | preset_pb2.DeletePresetRequest
    | preset_pb2.PublishPresetRequest
    | preset_pb2.RollbackPresetRequest
)
"""What changes a preset."""

log = logging.getLogger(__name__)


class PresetServicer(preset_pb2_grpc.PresetServiceServicer):
    """Reads and writes presets; what is written is checked against the production bundle."""

    def __init__(
        self,
        store: PresetStore,
        follower: PresetFollower,
        bench: Callable[[], Bench],
        reporter: ReplicaReporter,
        *,
        publish_gate: Gate = open_gate,
    ) -> None:
        """Writes nothing yet.

        Args:
            store: of presets.
            follower: of that store.
            bench: gives that of the bundle now labelled production.
            reporter: knows what every replica serves.
            publish_gate: asked before a revision comes into force for the first time.
        """
        self._store = store
        self._lifecycle = Lifecycle(
            store, publish_gate=publish_gate, served_tip=lambda: follower.stored.tip
        )
        self._follower = follower
        self._resolver = LossResolver(store, follower)
        self._bench = bench
        self._reporter = reporter

    async def CreatePreset(
        self, request: preset_pb2.CreatePresetRequest, context: Context
    ) -> preset_pb2.CreatePresetResponse:
        """A new preset."""
        refuse_if([*name_violations(request.preset.name), *signature_violations(request)])
        blank = PresetRevision(request.preset.name, "", (), "", 0, "", "", EPOCH, EPOCH)
        await self._follower.check_store(request.preset.name)
        draft = self._edited(blank, request.preset, EDITABLE, request)
        stored = await self._lifecycle.create(
            draft, as_draft=request.as_draft, is_dry=request.validate_only
        )
        written = await self._served(stored, "created", request)
        return preset_pb2.CreatePresetResponse(preset=written)

    async def GetPreset(
        self, request: preset_pb2.GetPresetRequest, context: Context
    ) -> preset_pb2.GetPresetResponse:
        """One preset."""
        refuse_if(name_violations(request.name, "name"))
        self._follower.check_kept()
        if request.HasField("revision"):
            stored = await self._lifecycle.at(request.name, request.revision)
        else:
            stored = await self._lifecycle.current(request.name)
        return preset_pb2.GetPresetResponse(preset=to_proto(stored.record, stored.head))

    async def ListPresets(
        self, request: preset_pb2.ListPresetsRequest, context: Context
    ) -> preset_pb2.ListPresetsResponse:
        """Presets by name."""
        self._follower.check_kept()
        size = page_size_of(request.page_size)
        scope = f"presets {request.show_deleted}"
        after = position_of(request.page_token, scope) or ""
        heads = await self._store.heads()
        left = sorted(
            name
            for name, head in heads.items()
            if name > after and (request.show_deleted or not head.is_archived)
        )
        page = left[:size]
        # what cannot be read is left out here; GetStatus names it
        records = [await self._store.revisions(name, [heads[name].shown]) for name in page]
        return preset_pb2.ListPresetsResponse(
            presets=[to_proto(own, heads[own.name]) for found in records for own in found],
            next_page_token=page_token(scope, page[-1]) if len(left) > size else "",
        )

    async def UpdatePreset(
        self, request: preset_pb2.UpdatePresetRequest, context: Context
    ) -> preset_pb2.UpdatePresetResponse:
        """The next revision."""
        fields = list(masked(request.update_mask))
        refuse_if(
            [
                *name_violations(request.preset.name),
                *etag_violations(request.preset.etag, "preset.etag"),
                *signature_violations(request),
                *mask_violations(fields),
            ]
        )
        await self._follower.check_store(request.preset.name)
        stored = await self._lifecycle.update(
            request.preset.name,
            request.preset.etag,
            lambda now: self._edited(now, request.preset, fields, request),
            as_draft=request.as_draft,
            is_dry=request.validate_only,
        )
        written = await self._served(stored, "updated", request)
        return preset_pb2.UpdatePresetResponse(preset=written)

    async def DeletePreset(
        self, request: preset_pb2.DeletePresetRequest, context: Context
    ) -> preset_pb2.DeletePresetResponse:
        """Out of force."""
        refuse_if(
            [
                *name_violations(request.name, "name"),
                *etag_violations(request.etag),
                *signature_violations(request),
            ]
        )
        await self._follower.check_store(request.name)
        stored = await self._lifecycle.archive(
            request.name,
            request.etag,
            request.author,
            request.reason,
            is_dry=request.validate_only,
        )
        written = await self._served(stored, "archived", request)
        return preset_pb2.DeletePresetResponse(preset=written)

    async def PublishPreset(
        self, request: preset_pb2.PublishPresetRequest, context: Context
    ) -> preset_pb2.PublishPresetResponse:
        """A draft, in force."""
        await self._check_pointer(request)
        stored = await self._lifecycle.publish(
            request.name,
            request.etag,
            request.revision,
            request.author,
            request.reason,
            check=self._check_honoured,
            is_dry=request.validate_only,
        )
        written = await self._served(stored, "published", request)
        return preset_pb2.PublishPresetResponse(preset=written)

    async def RollbackPreset(
        self, request: preset_pb2.RollbackPresetRequest, context: Context
    ) -> preset_pb2.RollbackPresetResponse:
        """A revision that was in force, in force again."""
        await self._check_pointer(request)
        stored = await self._lifecycle.rollback(
            request.name,
            request.etag,
            request.revision,
            request.author,
            request.reason,
            check=self._check_honoured,
            is_dry=request.validate_only,
        )
        written = await self._served(stored, "rolled back", request)
        return preset_pb2.RollbackPresetResponse(preset=written)

    async def ListPresetRevisions(
        self, request: preset_pb2.ListPresetRevisionsRequest, context: Context
    ) -> preset_pb2.ListPresetRevisionsResponse:
        """Revisions, newest first."""
        refuse_if(name_violations(request.name, "name"))
        self._follower.check_kept()
        size, scope = page_size_of(request.page_size), f"revisions {request.name}"
        before = position_of(request.page_token, scope, NUMBER)
        page = await self._lifecycle.revisions(request.name, int(before) if before else None, size)
        return preset_pb2.ListPresetRevisionsResponse(
            presets=[to_proto(stored.record, stored.head) for stored in page.stored],
            next_page_token=page_token(scope, str(page.before)) if page.before > 1 else "",
        )

    async def DiffPreset(
        self, request: preset_pb2.DiffPresetRequest, context: Context
    ) -> preset_pb2.DiffPresetResponse:
        """What changed between two revisions."""
        refuse_if(
            [
                *name_violations(request.name, "name"),
                *revision_violations(
                    request.from_revision, "from_revision", least=0, zero="the one in force"
                ),
                *revision_violations(
                    request.to_revision, "to_revision", least=0, zero="the newest"
                ),
            ]
        )
        self._follower.check_kept()
        before, after = await self._lifecycle.pair(
            request.name, request.from_revision, request.to_revision
        )
        response = preset_pb2.DiffPresetResponse(
            to=to_proto(after.record, after.head),
            differences=[
                preset_pb2.PresetDifference(field=own.field, before=own.before, after=own.after)
                for own in differences(before.record, after.record)
            ],
        )
        getattr(response, "from").CopyFrom(to_proto(before.record, before.head))
        return response

    async def ListAuditEvents(
        self, request: preset_pb2.ListAuditEventsRequest, context: Context
    ) -> preset_pb2.ListAuditEventsResponse:
        """The audit chain, oldest first."""
        refuse_if(name_violations(request.name, "name") if request.name else ())
        size, scope = page_size_of(request.page_size), f"audit {request.name}"
        after = position_of(request.page_token, scope, CURSOR) or FIRST
        events, page = await self._events(request.name, after, size)
        return preset_pb2.ListAuditEventsResponse(
            events=map(event_to_proto, events),
            next_page_token="" if page.is_last else page_token(scope, page.cursor),
            tip_sequence=page.tip.sequence,
            tip_hash=page.tip.hash,
        )

    async def GetStatus(
        self, request: preset_pb2.GetStatusRequest, context: Context
    ) -> preset_pb2.GetStatusResponse:
        """What every replica serves."""
        refuse_if(name_violations(request.name, "name") if request.name else ())
        own, message = self._reporter.own(), self._follower.advice()
        try:
            statuses = await self._reporter.statuses()
        except StoreUnavailable:
            statuses, message = [own], message or STATUS_ALONE
        return preset_pb2.GetStatusResponse(
            replicas=[asked_for(status, request.name) for status in statuses],
            store_state=preset_pb2.StoreState.Value(f"STORE_STATE_{self._follower.state}"),
            age_s=self._follower.age_s(),
            message=message,
            answered_by=own.replica_id,
        )

    async def ResolveStoreLoss(
        self, request: preset_pb2.ResolveStoreLossRequest, context: Context
    ) -> preset_pb2.ResolveStoreLossResponse:
        """The end of a loss."""
        refuse_if([*resolution_violations(request.resolution), *signature_violations(request)])
        resolved = await self._resolver.resolve(
            RESOLUTIONS[request.resolution],
            request.author,
            request.reason,
            is_dry=request.validate_only,
        )
        if resolved.cursor:
            log.info(
                "loss of presets resolved by %s: %s", request.author, ", ".join(resolved.names)
            )
            self._follower.look_again()
            await self._follower.caught_up(resolved.cursor, SERVED_WITHIN_S)
        return preset_pb2.ResolveStoreLossResponse(presets=resolved.names)

    async def _events(self, name: str, after: str, size: int) -> tuple[list[AuditEvent], AuditPage]:
        """At most so many events, of one preset where it is named, and the last page read."""
        events: list[AuditEvent] = []
        for _ in range(MAX_READS):
            page = await self._store.audit_events(after, size - len(events))
            events += [event for event in page.events if not name or event.name == name]
            after = page.cursor
            if page.is_last or len(events) == size:
                break
        return events, page

    async def _check_pointer(
        self, request: preset_pb2.PublishPresetRequest | preset_pb2.RollbackPresetRequest
    ) -> None:
        """Refuses what cannot be meant, and a store that may not be written to."""
        refuse_if(
            [
                *name_violations(request.name, "name"),
                *revision_violations(request.revision),
                *etag_violations(request.etag),
                *signature_violations(request),
            ]
        )
        await self._follower.check_store(request.name)

    def _check_honoured(self, record: PresetRevision) -> None:
        """Raises PresetNotHonoured where the production bundle cannot honour the revision."""
        preset = self._bench().compiled(record)
        if isinstance(preset, RefusedPreset):
            raise PresetNotHonoured(
                "revision", record.name, record.revision, "production", preset.faults
            )
        check_defaults(self._follower.stored, record)

    def _edited(
        self,
        before: PresetRevision,
        message: preset_pb2.Preset,
        fields: Iterable[str],
        request: preset_pb2.CreatePresetRequest | preset_pb2.UpdatePresetRequest,
    ) -> PresetRevision:
        """The revision with the message's fields, signed, checked whole against the bundle.

        Raises:
            InvalidRequest: texts or counts beyond their limits, or targeting that makes no sense.
            RulesRefused, RuleConflict: what is wrong with the rules.
            TooManyDefaults: it would be one default more than a request can bear.
        """
        bench = self._bench()
        after = replace(before, author=request.author, reason=request.reason)
        if "description" in fields:
            after = replace(after, description=message.description)
        if "rules" in fields:
            after = replace(after, rules=rules_of(message))
        if "feature_space" in fields:
            after = replace(after, feature_space=message.feature_space)
        if "targeting" in fields:
            has = message.HasField("targeting")
            targeting = bench.targeting(message.targeting)
            after = replace(after, targeting=targeting if has else None)
        if after.names_features and not after.feature_space:
            after = replace(after, feature_space=bench.feature_space)
        refuse_if(content_violations(after))
        bench.checked(after, "preset.rules")
        if not request.as_draft:
            check_defaults(self._follower.stored, after)
        return after

    async def _served(self, stored: Stored, action: str, request: Write) -> preset_pb2.Preset:
        """The message of what was written, once this replica serves it; the log gets a line."""
        if stored.cursor:
            _log_write(stored.record, action, request)
            await self._follower.caught_up(stored.cursor, SERVED_WITHIN_S)
        return to_proto(stored.record, stored.head)


def _log_write(record: PresetRevision, action: str, request: Write) -> None:
    """Logs a change under the id of its call."""
    done = f"{action} as a draft" if getattr(request, "as_draft", False) else action
    facts = {"preset": record.name, "revision": str(record.revision), "author": request.author}
    log.info(
        "preset %s: %s, revision %d, by %s",
        *(record.name, done, record.revision, request.author),
        extra={"facts": facts},
    )
