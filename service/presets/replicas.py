"""What each replica serves of what, told to the others through the store.

A task of its own tells it, after every swap and at least every TELL_S: no request does.
"""

import asyncio
import base64
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol
from uuid import uuid4

from google.protobuf.message import DecodeError
from steerrec.v1 import preset_pb2

from service.presets.audit import START, Tip
from service.presets.compiled import CompiledPreset, CompiledPresets
from service.presets.errors import StoreUnavailable
from service.presets.redis_faults import Cause

TELL_S = 10.0
"""Longest silence of a replica."""
SETTLE_S = 0.2
"""Between two looks at whether something was swapped: swaps in between are told together."""
FORGET_S = 60.0
"""Silence after which a replica is no longer listed."""

log = logging.getLogger(__name__)


class Told(NamedTuple):
    """The last report of a replica."""

    age_s: float
    """Since it told, by the store's clock."""
    report: str


class ReplicaReports(Protocol):
    """Where replicas tell. Both methods raise StoreUnavailable where it cannot be reached."""

    async def tell(
        self, replica_id: str, report: str, forget_s: float, served: Tip = START, /
    ) -> None:
        """Puts the report in place of the replica's last one; forgets those silent for so long.

        Args:
            replica_id: who tells.
            report: what it tells.
            forget_s: silence after which another replica is forgotten.
            served: tip of the newest event that it serves; the highest of all is kept for good.
        """

    async def told(self, forget_s: float) -> Mapping[str, Told]:
        """The last report of each replica that told within so many seconds."""


def new_replica_id() -> str:
    """Host, process and a random part, so that a restarted replica is another one."""
    return f"{socket.gethostname()[:63]}-{os.getpid()}-{uuid4().hex[:6]}"


class ReplicaReporter:
    """Tells what this replica serves, and knows what the others told."""

    def __init__(
        self,
        reports: ReplicaReports,
        status: Callable[[], preset_pb2.ReplicaStatus],
        swapped: Callable[[], object],
        served: Callable[[], Tip] = lambda: START,
    ) -> None:
        """Tells nothing yet.

        Args:
            reports: where to tell.
            status: what this replica serves now.
            swapped: gives something that is unequal to before after each swap.
            served: tip of the newest event that this replica serves.
        """
        self._reports = reports
        self._status = status
        self._swapped = swapped
        self._served = served
        self._fault: Cause | None = None
        """Why the last report was not told; None: it was."""

    async def tell_on(self) -> None:
        """Tells for ever; a store that is away hears of it when it is back."""
        told: object = None
        told_at = 0.0
        while True:
            now = self._swapped()
            if now != told or time.monotonic() - told_at >= TELL_S:
                told, told_at = now, time.monotonic()
                await self._tell()
            await asyncio.sleep(SETTLE_S)

    async def _tell(self) -> None:
        status = self._status()
        try:
            await self._reports.tell(status.replica_id, to_text(status), FORGET_S, self._served())
        except StoreUnavailable as error:
            if error.fault.cause is not self._fault and not error.fault.is_passing:
                log.warning("what is served here cannot be told to other replicas: %s", error)
            self._fault = error.fault.cause
        else:
            self._fault = None

    async def statuses(self) -> list[preset_pb2.ReplicaStatus]:
        """What every replica serves, by id; of this one, what it serves now.

        Raises:
            StoreUnavailable: what the others told cannot be read.
        """
        own = self.own()
        found = {own.replica_id: own}
        for replica_id, (age_s, report) in (await self._reports.told(FORGET_S)).items():
            if replica_id != own.replica_id and (status := _from_text(report)) is not None:
                status.report_time.FromMilliseconds(round((time.time() - age_s) * 1000))
                found[replica_id] = status
        return [status for _, status in sorted(found.items())]

    def own(self) -> preset_pb2.ReplicaStatus:
        """What this replica serves now."""
        own = self._status()
        own.report_time.GetCurrentTime()
        return own


async def serving(reports: ReplicaReports, own_id: str) -> list[str]:
    """Ids of the other running replicas that serve a part of the audit chain."""
    told = await reports.told(FORGET_S)
    statuses = {name: _from_text(report) for name, (_, report) in told.items()}
    return sorted(
        name
        for name, status in statuses.items()
        if name != own_id and status is not None and status.audit_sequence
    )


def served_bundle(label: str, version: str, presets: CompiledPresets) -> preset_pb2.ServedBundle:
    """What is served of one bundle: every preset in force, by name."""
    served = [
        _served_preset(name, active, presets) for name, active in sorted(presets.active.items())
    ]
    return preset_pb2.ServedBundle(
        label=label,
        model_version=version,
        current_count=sum(not preset.message for preset in served),
        presets=served,
    )


def asked_for(status: preset_pb2.ReplicaStatus, name: str) -> preset_pb2.ReplicaStatus:
    """The status with one preset only; without a name, with those not served as in force."""
    asked = preset_pb2.ReplicaStatus()
    asked.CopyFrom(status)
    for bundle in asked.bundles:
        kept = [own for own in bundle.presets if (own.name == name if name else own.message)]
        del bundle.presets[:]
        bundle.presets.extend(kept)
    return asked


def to_text(status: preset_pb2.ReplicaStatus) -> str:
    """The message as text, for a store of text."""
    return base64.b64encode(status.SerializeToString()).decode()


def _from_text(text: str) -> preset_pb2.ReplicaStatus | None:
    """The status that a report means; None: another version wrote it."""
    try:
        return preset_pb2.ReplicaStatus.FromString(base64.b64decode(text))
    except (DecodeError, ValueError):
        return None


def _served_preset(name: str, active: int, presets: CompiledPresets) -> preset_pb2.ServedPreset:
    layer = presets.layer(name)
    is_served = isinstance(layer, CompiledPreset)
    return preset_pb2.ServedPreset(
        name=name,
        revision_in_force=active,
        served_revision=layer.revision if is_served else 0,
        message="; ".join(_faults(name, active, presets)),
    )


def _faults(name: str, active: int, presets: CompiledPresets) -> Iterator[str]:
    """Why the revision in force is not served; nothing: it is."""
    in_force = presets.by_name[name][active]
    if not isinstance(in_force, CompiledPreset):
        yield from map(str, in_force.faults)
    elif name in presets.unreadable:
        yield f"the last good one goes on: {presets.unreadable[name]}"
