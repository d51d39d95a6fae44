"""A slate as protobuf."""

from collections.abc import Iterator, Mapping, Sequence

from steerrec.v1 import recommender_pb2, rule_pb2

from service.convert import tell_reports
from service.findings_reply import tell_findings
from service.forward import Unsteered
from service.layers import KeptOutPreset
from service.slate import Degraded, Slate


def reply_of(slate: Slate) -> recommender_pb2.RecommendResponse:
    """The response that says what the slate says."""
    response = recommender_pb2.RecommendResponse()
    tell_slate(response, slate)
    return response


def tell_slate(response: recommender_pb2.RecommendResponse, slate: Slate) -> None:
    """Says in an empty response what the slate says."""
    tell_frame(response, slate)
    _tell_items(response, slate)
    tell_reports(response, slate.reports)
    if slate.unsteered is not None:
        _tell_unsteered(response.items, slate.unsteered)
    if slate.findings is not None:
        tell_findings(response, slate.findings, slate.served)


def tell_frame(response: recommender_pb2.RecommendResponse, slate: Slate) -> None:
    """Says in an empty response what the slate says beside items, reports and findings."""
    response.model_version = slate.served.bundle.version
    response.request_id = slate.request_id
    shift = response.shift
    shift.norm_share, shift.is_clipped = slate.norm_share, slate.is_shift_clipped
    shift.SetInParent()
    for preset in slate.applied:
        response.applied_presets.add(
            name=preset.name, revision=preset.revision, is_default=preset.is_default
        )
    for own in slate.degraded:
        _tell_degraded(response, own)
    for kept_out in slate.kept_out:
        if slate.is_full or not kept_out.is_default:
            _tell_skipped(response, kept_out)
    for feature in slate.active:
        response.active_features.add(
            feature_index=feature.index, label=feature.label, activation=feature.activation
        )


def attributes_to_proto(attributes: Mapping[str, Sequence[str]]) -> Iterator[rule_pb2.Attribute]:
    """One message per value of each attribute."""
    for name, values in attributes.items():
        for value in values:
            yield rule_pb2.Attribute(name=name, value=value)


def _tell_skipped(response: recommender_pb2.RecommendResponse, preset: KeptOutPreset) -> None:
    response.skipped_presets.add(
        name=preset.name,
        revision=preset.revision,
        reason=recommender_pb2.SkipReason.ValueType(preset.why.reason.value),
        message=preset.why.message,
        is_default=preset.is_default,
    )


def _tell_degraded(response: recommender_pb2.RecommendResponse, degraded: Degraded) -> None:
    response.degraded.add(
        reason=recommender_pb2.DegradedReason.ValueType(degraded.reason.value),
        count=degraded.count,
        detail=degraded.detail,
    )


def _tell_items(response: recommender_pb2.RecommendResponse, slate: Slate) -> None:
    catalogue = slate.served.bundle.catalogue
    item_ids, items = catalogue.item_ids, slate.items.tolist()
    # made in place: a message made first and handed over is copied
    add = response.items.add
    for index, score in zip(items, slate.scores.tolist(), strict=True):
        add(item_id=item_ids[index], score=score)
    if slate.is_full:
        for item, index in zip(response.items, items, strict=True):
            item.title = catalogue.titles[index]
            item.attributes.extend(attributes_to_proto(catalogue.attributes[index]))


def _tell_unsteered(items: Sequence[recommender_pb2.RecommendedItem], unsteered: Unsteered) -> None:
    ranks, scores = unsteered.ranks.tolist(), unsteered.scores.tolist()
    for item, rank, score in zip(items, ranks, scores, strict=True):
        item.unsteered_rank, item.unsteered_score = rank, score
