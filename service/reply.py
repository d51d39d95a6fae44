"""A slate as protobuf."""

from collections.abc import Iterator, Mapping, Sequence

from steerrec.v1 import recommender_pb2, rule_pb2

from service.convert import tell_report
from service.findings_reply import tell_findings
from service.forward import Unsteered
from service.layers import KeptOutPreset
from service.slate import Degraded, Slate


def reply_of(slate: Slate) -> recommender_pb2.RecommendResponse:
    """The response that says what the slate says."""
    response = recommender_pb2.RecommendResponse(
        model_version=slate.served.bundle.version,
        applied_presets=[
            recommender_pb2.AppliedPreset(
                name=preset.name, revision=preset.revision, is_default=preset.is_default
            )
            for preset in slate.applied
        ],
        degraded=[_degraded(own) for own in slate.degraded],
        request_id=slate.request_id,
        skipped_presets=[
            _skipped(preset) for preset in slate.kept_out if slate.is_full or not preset.is_default
        ],
        shift=recommender_pb2.HiddenShift(
            norm_share=slate.norm_share, is_clipped=slate.is_shift_clipped
        ),
        active_features=[
            recommender_pb2.ActiveFeature(
                feature_index=feature.index, label=feature.label, activation=feature.activation
            )
            for feature in slate.active
        ],
    )
    _tell_items(response, slate)
    for report in slate.reports:
        tell_report(response, report)
    if slate.unsteered is not None:
        _tell_unsteered(response.items, slate.unsteered)
    if slate.findings is not None:
        tell_findings(response, slate.findings, slate.served)
    return response


def attributes_to_proto(attributes: Mapping[str, Sequence[str]]) -> Iterator[rule_pb2.Attribute]:
    """One message per value of each attribute."""
    for name, values in attributes.items():
        for value in values:
            yield rule_pb2.Attribute(name=name, value=value)


def _skipped(preset: KeptOutPreset) -> recommender_pb2.SkippedPreset:
    return recommender_pb2.SkippedPreset(
        name=preset.name,
        revision=preset.revision,
        reason=recommender_pb2.SkipReason.ValueType(preset.why.reason.value),
        message=preset.why.message,
        is_default=preset.is_default,
    )


def _degraded(degraded: Degraded) -> recommender_pb2.Degraded:
    return recommender_pb2.Degraded(
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
