"""A plain slate as bytes: what `reply_of` says, without a message for each item and report.

Items and reports of plain rules are most of a reply, and all alike but for their numbers. Protobuf
writes one of each, and the numbers of others are put where it wrote its own. Parts of a message may
come in any order, so they are put side by side.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct, unpack
from typing import Final, NamedTuple

import numpy as np
from steerrec.v1 import recommender_pb2, rule_pb2

from service.convert import origin_to_proto, tell_reports
from service.item_heads import SCORE_BYTES
from service.reply import reply_of, tell_frame, tell_slate
from service.slate import Slate
from steering.columns import ResolvedColumns
from steering.report import Reports

A_NUMBER: Final = 1.5
"""Stands for an activation, where its bytes are looked for."""
DOUBLE: Final = Struct("<d")
FLOAT: Final = np.dtype("<f4")


class _ReportParts(NamedTuple):
    """A report around its two activations."""

    head: bytes
    between: bytes
    tail: bytes


@lru_cache(maxsize=4096)
def _report_parts(place: int, status: int, message: str, unit: int) -> _ReportParts:
    report = rule_pb2.RuleReport(
        origin=origin_to_proto("", 0, place),
        status=rule_pb2.RuleStatus.ValueType(status),
        activation_before=A_NUMBER,
        activation_after=A_NUMBER,
        unit=rule_pb2.Unit.ValueType(unit),
        message=message,
    )
    own = recommender_pb2.RecommendResponse(rule_reports=[report]).SerializeToString()
    return _ReportParts(*own.split(DOUBLE.pack(A_NUMBER)))


def reply_bytes(slate: Slate) -> bytes:
    """The response that says what the slate says, serialised."""
    return _plain_bytes(slate) if _is_plain(slate) else reply_of(slate).SerializeToString()


def tell_reply(response: recommender_pb2.RecommendResponse, slate: Slate) -> None:
    """Says in an empty response what the slate says."""
    if _is_plain(slate):
        # protobuf reads bytes faster than Python fills messages
        response.MergeFromString(_plain_bytes(slate))
    else:
        tell_slate(response, slate)


def _is_plain(slate: Slate) -> bool:
    return not slate.is_full and slate.findings is None and slate.unsteered is None


def _plain_bytes(slate: Slate) -> bytes:
    parts = _item_parts(slate)
    rest = recommender_pb2.RecommendResponse()
    if slate.applied or slate.degraded or slate.kept_out or slate.active:
        tell_frame(rest, slate)
    else:
        head, tail = _frame_parts(slate.served.bundle.version, slate.is_shift_clipped)
        parts += (head, DOUBLE.pack(slate.norm_share), tail)
        rest.request_id = slate.request_id
    reports = slate.reports
    if isinstance(reports, Reports) and isinstance(reports.rules, ResolvedColumns):
        parts += _told(reports, reports.rules.rules.units)
    else:
        tell_reports(rest, reports)
    parts.append(rest.SerializeToString())
    return b"".join(parts)


@lru_cache(maxsize=256)
def _frame_parts(version: str, is_clipped: bool) -> tuple[bytes, bytes]:
    """Version and shift around the shift's share."""
    own = recommender_pb2.RecommendResponse(model_version=version)
    own.shift.norm_share, own.shift.is_clipped = A_NUMBER, is_clipped
    head, tail = own.SerializeToString().rsplit(DOUBLE.pack(A_NUMBER), 1)
    return head, tail


def _item_parts(slate: Slate) -> list[bytes]:
    heads = slate.served.item_heads.of(slate.served.bundle.catalogue.item_ids, slate.items.tolist())
    parts = [b""] * (2 * len(heads))
    parts[::2] = heads
    scores = slate.scores.astype(FLOAT, copy=False).tobytes()
    parts[1::2] = unpack(f"{SCORE_BYTES}s" * len(heads), scores)
    return parts


def _told(reports: Reports, units: Sequence[int]) -> list[bytes]:
    told: list[bytes] = []
    pack = DOUBLE.pack
    for place, unit in enumerate(units):
        status, message = reports.fate(place)
        head, between, tail = _report_parts(place, status, message, unit)
        told += (head, pack(reports.before[place]), between, pack(reports.after[place]), tail)
    return told
