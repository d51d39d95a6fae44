"""PresetService."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from google.protobuf import field_mask_pb2
from steerrec.v1 import preset_pb2, preset_pb2_grpc

from service.convert import rule_from_proto
from service.errors import InvalidRequest, Violation
from service.presets.compiled import Bench
from service.presets.errors import StoreUnavailable
from service.presets.follower import PresetFollower
from service.presets.lifecycle import Lifecycle, Stored
from service.presets.record import PresetRevision, to_proto
from service.presets.store import PresetStore
from service.rpc.interceptor import Context
from service.rpc.paging import page_size_of, page_token, position_of
from steering.errors import InvalidRule, RulesRefused
from steering.rules import Rule

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
MAX_DESCRIPTION = 500
MAX_AUTHOR = 100
MAX_REASON = 500
MAX_RULES = 256
MAX_FEATURE_SPACE = 64
EDITABLE = ("description", "rules", "feature_space")
"""Fields that an update may name; the others are the service's own."""
SERVED_WITHIN_S = 0.5
"""How long a write waits for this replica to serve it; others follow on their own."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PresetServicer(preset_pb2_grpc.PresetServiceServicer):
    """Reads and writes presets; what is written is checked against the production bundle."""

    def __init__(
        self, store: PresetStore, follower: PresetFollower, bench: Callable[[], Bench]
    ) -> None:
        """`bench` gives that of the bundle now labelled production."""
        self._store = store
        self._lifecycle = Lifecycle(store)
        self._follower = follower
        self._bench = bench

    async def CreatePreset(
        self, request: preset_pb2.CreatePresetRequest, context: Context
    ) -> preset_pb2.CreatePresetResponse:
        """A new preset."""
        _refuse_if([*_name_violations(request.preset.name), *_signature_violations(request)])
        blank = PresetRevision(request.preset.name, "", (), "", 0, "", "", EPOCH, EPOCH)
        self._check_store()
        draft = self._edited(blank, request.preset, EDITABLE, request)
        stored = await self._lifecycle.create(draft, is_dry=request.validate_only)
        return preset_pb2.CreatePresetResponse(preset=await self._served(stored))

    async def GetPreset(
        self, request: preset_pb2.GetPresetRequest, context: Context
    ) -> preset_pb2.GetPresetResponse:
        """One preset."""
        _refuse_if(_name_violations(request.name, "name"))
        if request.HasField("revision"):
            stored = await self._lifecycle.at(request.name, request.revision)
        else:
            stored = await self._lifecycle.current(request.name)
        return preset_pb2.GetPresetResponse(preset=to_proto(stored.record, stored.head))

    async def ListPresets(
        self, request: preset_pb2.ListPresetsRequest, context: Context
    ) -> preset_pb2.ListPresetsResponse:
        """Presets by name."""
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
        records = [await self._store.revision(name, heads[name].revision) for name in page]
        return preset_pb2.ListPresetsResponse(
            presets=[to_proto(record, heads[record.name]) for record in records if record],
            next_page_token=page_token(scope, page[-1]) if len(left) > size else "",
        )

    async def UpdatePreset(
        self, request: preset_pb2.UpdatePresetRequest, context: Context
    ) -> preset_pb2.UpdatePresetResponse:
        """The next revision."""
        fields = list(_masked(request.update_mask))
        _refuse_if(
            [
                *_name_violations(request.preset.name),
                *_etag_violations(request.preset.etag, "preset.etag"),
                *_signature_violations(request),
                *_mask_violations(fields),
            ]
        )
        self._check_store()
        stored = await self._lifecycle.update(
            request.preset.name,
            request.preset.etag,
            lambda now: self._edited(now, request.preset, fields, request),
            is_dry=request.validate_only,
        )
        return preset_pb2.UpdatePresetResponse(preset=await self._served(stored))

    async def DeletePreset(
        self, request: preset_pb2.DeletePresetRequest, context: Context
    ) -> preset_pb2.DeletePresetResponse:
        """Out of force."""
        _refuse_if(
            [
                *_name_violations(request.name, "name"),
                *_etag_violations(request.etag, "etag"),
                *_signature_violations(request),
            ]
        )
        self._check_store()
        stored = await self._lifecycle.archive(
            request.name,
            request.etag,
            request.author,
            request.reason,
            is_dry=request.validate_only,
        )
        return preset_pb2.DeletePresetResponse(preset=await self._served(stored))

    def _check_store(self) -> None:
        """Refuses to write to a store that is away, or that lost what is served here."""
        if not self._follower.is_connected:
            raise StoreUnavailable(
                RuntimeError("the presets served here are not those of the store")
            )

    def _edited(
        self,
        before: PresetRevision,
        message: preset_pb2.Preset,
        fields: Iterable[str],
        request: preset_pb2.CreatePresetRequest | preset_pb2.UpdatePresetRequest,
    ) -> PresetRevision:
        """The revision with the message's fields, signed, checked whole against the bundle.

        Raises:
            InvalidRequest: texts or counts beyond their limits.
            RulesRefused, RuleConflict: what is wrong with the rules.
        """
        after = replace(before, author=request.author, reason=request.reason)
        if "description" in fields:
            after = replace(after, description=message.description)
        if "rules" in fields:
            after = replace(after, rules=_rules(message))
        if "feature_space" in fields:
            after = replace(after, feature_space=message.feature_space)
        bench = self._bench()
        if after.names_features and not after.feature_space:
            after = replace(after, feature_space=bench.feature_space)
        _refuse_if(_content_violations(after))
        bench.resolved(after, "preset.rules")
        return after

    async def _served(self, stored: Stored) -> preset_pb2.Preset:
        """The message of what was written, once this replica serves it."""
        if stored.cursor:
            await self._follower.caught_up(stored.cursor, SERVED_WITHIN_S)
        return to_proto(stored.record, stored.head)


def _rules(message: preset_pb2.Preset) -> tuple[Rule, ...]:
    rules, faults = [], []
    for i, rule in enumerate(message.rules):
        try:
            rules.append(rule_from_proto(rule, f"preset.rules[{i}]"))
        except InvalidRule as fault:
            faults.append(fault)
    if faults:
        raise RulesRefused(faults)
    return tuple(rules)


def _masked(mask: field_mask_pb2.FieldMask) -> Iterator[str]:
    """Fields that an update takes; all of them without a mask, or with `*`."""
    yield from EDITABLE if not mask.paths or "*" in mask.paths else mask.paths


def _refuse_if(violations: Iterable[Violation]) -> None:
    if found := list(violations):
        raise InvalidRequest(found)


def _name_violations(name: str, field: str = "preset.name") -> Iterator[Violation]:
    if NAME.fullmatch(name) is None:
        yield Violation(
            field,
            f"{name[:80]!r} must be a lower-case letter, then at most 62 of a-z, 0-9 and '-'",
        )


def _etag_violations(etag: str, field: str) -> Iterator[Violation]:
    if not etag:
        yield Violation(field, "is required: read the preset and hand its etag back")


def _signature_violations(
    request: preset_pb2.CreatePresetRequest
    | preset_pb2.UpdatePresetRequest
    | preset_pb2.DeletePresetRequest,
) -> Iterator[Violation]:
    for field, text, most in (
        ("author", request.author, MAX_AUTHOR),
        ("reason", request.reason, MAX_REASON),
    ):
        if not text.strip():
            yield Violation(field, "is required: every change says who made it and why")
        elif len(text) > most:
            yield Violation(field, f"{len(text)} characters; at most {most}")


def _mask_violations(fields: Iterable[str]) -> Iterator[Violation]:
    for field in fields:
        if field not in EDITABLE:
            yield Violation(
                "update_mask", f"{field!r} cannot be updated; one of {', '.join(EDITABLE)}"
            )


def _content_violations(record: PresetRevision) -> Iterator[Violation]:
    if len(record.feature_space) > MAX_FEATURE_SPACE:
        message = f"{len(record.feature_space)} characters; at most {MAX_FEATURE_SPACE}"
        yield Violation("preset.feature_space", message)
    if len(record.description) > MAX_DESCRIPTION:
        yield Violation(
            "preset.description",
            f"{len(record.description)} characters; at most {MAX_DESCRIPTION}",
        )
    if not 1 <= len(record.rules) <= MAX_RULES:
        yield Violation("preset.rules", f"{len(record.rules)} rules; 1 to {MAX_RULES}")
