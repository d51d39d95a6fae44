"""PreviewService."""

import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from steerrec.v1 import preview_pb2, preview_pb2_grpc, rule_pb2

from service.decisions.log import DecisionLog
from service.errors import DecisionLogOff, NoHistories, PresetNotHonoured
from service.presets.compiled import Bench, CompiledPreset, RefusedPreset
from service.presets.errors import PresetMissing, StoreUnavailable
from service.presets.record import PresetRevision
from service.presets.store import PresetStore
from service.preview.conflicts import conflicts
from service.preview.effects import Distribution, Effects
from service.preview.policy import PublishPolicy
from service.preview.run import History, Preview, Previewer
from service.preview.summary import Previews, summary_of
from service.recommend import Pinned, Recommender
from service.rpc import preview_requests as requests
from service.rpc.interceptor import Context
from service.settings import PRODUCTION

Request = preview_pb2.PreviewPresetRequest
Response = preview_pb2.PreviewPresetResponse
PAGE = 500
"""Recorded decisions read at once."""

log = logging.getLogger(__name__)


class PreviewServicer(preview_pb2_grpc.PreviewServiceServicer):
    """Shows what a preset would do before it is live."""

    def __init__(
        self,
        recommender: Recommender,
        store: PresetStore,
        decisions: DecisionLog | None,
        previews: Previews,
        policy: PublishPolicy,
    ) -> None:
        """Make it.

        Args:
            recommender: the one that answers requests.
            store: where stored revisions come from.
            decisions: where recorded histories come from; None: no log is on.
            previews: where summaries of stored revisions are kept.
            policy: that a report is held against.
        """
        self._recommender = recommender
        self._previewer = Previewer(recommender)
        self._store = store
        self._decisions = decisions
        self._previews = previews
        self._policy = policy

    async def PreviewPreset(self, request: Request, context: Context) -> AsyncIterator[Response]:
        """How far it is, now and then; at the end the report."""
        requests.check(request)
        moment = requests.moment_of(request)
        pinned = replace(self._recommender.pin(request.model or PRODUCTION), moment=moment)
        record, preset = await self._subject(request, pinned.served.bench, pinned)
        histories = await self._histories(request)
        effects = Effects(record.name, record.rules, pinned.served.bundle.catalogue)
        k = request.k or requests.DEFAULT_K
        yield _progress(0, histories)
        preview = Preview(preset, pinned, histories, k)
        async with aclosing(self._previewer.run(preview, effects)) as run:
            async for done in run:
                yield _progress(done, histories)
        yield _progress(len(histories), histories)
        report = report_of(effects, preset, pinned, k)
        report.policy_violations.extend(await self._kept(record, effects, pinned))
        yield Response(report=report)

    async def _subject(
        self, request: Request, bench: Bench, pinned: Pinned
    ) -> tuple[PresetRevision, CompiledPreset]:
        """The revision and what the bundle makes of it; a draft as revision 0."""
        is_stored = request.WhichOneof("subject") == "stored"
        if is_stored:
            record = await self._stored(request.stored.name, request.stored.revision)
        else:
            record = requests.draft_of(request.draft, bench)
        preset = bench.compiled(record)
        if isinstance(preset, RefusedPreset):
            version, field = pinned.served.bundle.version, "stored" if is_stored else "draft"
            raise PresetNotHonoured(field, record.name, record.revision, version, preset.faults)
        return record, preset

    async def _stored(self, name: str, revision: int) -> PresetRevision:
        head = await self._store.head(name)
        if head is None:
            raise PresetMissing(name)
        record = await self._store.revision(name, revision or head.revision)
        if record is None:
            raise PresetMissing(name, revision)
        return record

    async def _histories(self, request: Request) -> list[History]:
        if request.WhichOneof("histories") == "supplied":
            return requests.supplied(request)
        if self._decisions is None:
            raise DecisionLogOff
        most = request.recorded.max_count or requests.DEFAULT_RECORDED
        found: list[History] = []
        position = ""
        while len(found) < most:
            page = await self._decisions.page(min(PAGE, most - len(found)), position)
            found += requests.recorded(request, page.decisions)
            position = page.position
            if not position:
                break
        if not found:
            raise NoHistories
        return found

    async def _kept(self, record: PresetRevision, effects: Effects, pinned: Pinned) -> list[str]:
        """Keeps the summary of a stored revision; how it breaks the publish policy."""
        version = pinned.served.bundle.version
        summary = summary_of(effects, record, version, time.time())
        found = list(self._policy.violations(summary))
        if record.revision:
            try:
                await self._previews.keep(record, summary)
            except StoreUnavailable as away:
                log.warning("a preview of %s was not kept: %s", record.name, away.fault)
                if self._policy.requires_preview:
                    found.append(f"the preview was not kept, run it again; {away.fault}")
        return found


def report_of(
    effects: Effects, preset: CompiledPreset, pinned: Pinned, k: int
) -> preview_pb2.PreviewReport:
    """The contract's report, without what the publish policy says."""
    return preview_pb2.PreviewReport(
        preset=preset.name,
        revision=preset.revision,
        model_version=pinned.served.bundle.version,
        history_count=effects.history_count,
        cold_count=effects.cold_count,
        k=k,
        targeted_share=effects.targeted_share,
        overlap=_distribution(effects.overlap),
        norm_share=_distribution(effects.norm_share),
        shares=[
            preview_pb2.PreviewShare(
                attribute=rule_pb2.Attribute(name=own.attribute.name, value=own.attribute.value),
                before=_distribution(own.before),
                after=_distribution(own.after),
            )
            for own in effects.shares()
        ],
        next_known_count=effects.next_known_count,
        ndcg_before=effects.ndcg_before,
        ndcg_after=effects.ndcg_after,
        rules=[
            preview_pb2.PreviewRule(
                index=own.position,
                rule_id=own.rule_id,
                applied_share=own.applied,
                inactive_share=own.inactive,
                clipped_share=own.clipped,
                condition_false_share=own.condition_false,
                overridden_share=own.overridden,
            )
            for own in effects.rules()
        ],
        conflicts=[
            preview_pb2.PresetConflict(
                preset=own.preset, revision=own.revision, message=own.message
            )
            for own in conflicts(preset, pinned.served.presets)
        ],
    )


def _progress(done: int, histories: Sequence[History]) -> Response:
    return Response(
        progress=preview_pb2.PreviewProgress(done_count=done, total_count=len(histories))
    )


def _distribution(own: Distribution) -> preview_pb2.Distribution:
    return preview_pb2.Distribution(mean=own.mean, p5=own.p5, p50=own.p50, p95=own.p95)
