"""A plain slate as bytes: what `reply_of` says, without a message for each item and report.

Items and reports of plain rules are most of a reply, and all alike but for their numbers. Protobuf
writes one of each, and the numbers of others are put where it wrote its own. Parts of a message may
come in any order, so they are put side by side.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct, unpack
from typing import Final

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


@lru_cache(maxsize=8192)
def _report_parts(
    place: int, status: int, message: str, unit: int, *, has_before: bool, has_after: bool
) -> list[bytes]:
    """A report around those of its two activations that are not 0."""
    report = rule_pb2.RuleReport(
        origin=origin_to_proto("", 0, place),
        status=rule_pb2.RuleStatus.ValueType(status),
        activation_before=A_NUMBER if has_before else 0.0,
        activation_after=A_NUMBER if has_after else 0.0,
        unit=rule_pb2.Unit.ValueType(unit),
        message=message,
    )
    own = recommender_pb2.RecommendResponse(rule_reports=[report]).SerializeToString()
    return own.split(DOUBLE.pack(A_NUMBER))


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
        version, share = slate.served.bundle.version, slate.norm_share
        own = _frame_parts(version, is_clipped=slate.is_shift_clipped, is_shifted=share != 0)
        parts += _numbered(own, share)
        rest.request_id = slate.request_id
    reports = slate.reports
    if isinstance(reports, Reports) and isinstance(reports.rules, ResolvedColumns):
        parts += _told(reports, reports.rules.rules.units)
    else:
        tell_reports(rest, reports)
    parts.append(rest.SerializeToString())
    return b"".join(parts)


@lru_cache(maxsize=256)
def _frame_parts(version: str, *, is_clipped: bool, is_shifted: bool) -> list[bytes]:
    """Version and shift around the shift's share, where that is not 0."""
    own = recommender_pb2.RecommendResponse(model_version=version)
    own.shift.norm_share = A_NUMBER if is_shifted else 0.0
    own.shift.is_clipped = is_clipped
    return own.SerializeToString().rsplit(DOUBLE.pack(A_NUMBER), 1)


def _numbered(parts: list[bytes], *numbers: float) -> list[bytes]:
    """The parts with the numbers between them; those of 0 have no place, as in any message."""
    told = parts[:1]
    for number, part in zip(filter(None, numbers), parts[1:], strict=True):
        told += (DOUBLE.pack(number), part)
    return told


def _item_parts(slate: Slate) -> list[bytes]:
    heads = slate.served.item_heads.of(slate.served.bundle.catalogue.item_ids, slate.items.tolist())
    parts = [b""] * (2 * len(heads))
    parts[::2] = heads
    scores = slate.scores.astype(FLOAT, copy=False).tobytes()
    parts[1::2] = unpack(f"{SCORE_BYTES}s" * len(heads), scores)
    return parts


def _told(reports: Reports, units: Sequence[int]) -> list[bytes]:
    told: list[bytes] = []
    for place, unit in enumerate(units):
        status, message = reports.fate(place)
        before, after = reports.before[place], reports.after[place]
        own = _report_parts(
            place, status, message, unit, has_before=before != 0, has_after=after != 0
        )
        told += _numbered(own, before, after)
    return told
