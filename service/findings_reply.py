"""Findings as protobuf, put into a response."""

from collections.abc import Callable

from steerrec.v1 import recommender_pb2, rule_pb2

from model_store.catalogue import Catalogue
from service.findings import (
    BudgetFinding,
    Contributions,
    Counterfactual,
    Findings,
    TargetFinding,
)
from service.snapshot import ServedModel
from steering.rules import Attribute


def tell_findings(
    response: recommender_pb2.RecommendResponse, findings: Findings, served: ServedModel
) -> None:
    """Writes the findings into the response whose items are there already."""
    if findings.target is not None:
        response.target_report.CopyFrom(_target(findings.target))
    if findings.budget is not None:
        response.budget_report.CopyFrom(_budget(findings.budget))
    if findings.counterfactual is not None:
        catalogue = served.bundle.catalogue
        response.counterfactual.CopyFrom(_counterfactual(findings.counterfactual, catalogue))
    if findings.rules is not None:
        response.rule_contribution_method = _method(findings.rules)
        _tell_rules(response, findings.rules)
    if findings.features is not None:
        response.feature_contribution_method = _method(findings.features)
        _tell_features(response, findings.features, _labels(served))


def _target(finding: TargetFinding) -> recommender_pb2.TargetReport:
    return recommender_pb2.TargetReport(
        status=recommender_pb2.TargetStatus.ValueType(finding.status.value),
        attributes=[
            recommender_pb2.TargetAttributeReport(
                attribute=_attribute(own.attribute),
                wanted_share=own.wanted_share,
                share_before=own.share_before,
                share_after=own.share_after,
                strength=own.strength,
            )
            for own in finding.attributes
        ],
        at_k=finding.wanted.at_k,
        tolerance=finding.wanted.tolerance,
        message=finding.message,
    )


def _budget(finding: BudgetFinding) -> recommender_pb2.BudgetReport:
    return recommender_pb2.BudgetReport(
        overlap=finding.kept.overlap,
        score_retained=finding.kept.score_retained,
        edit_share=finding.edit_share,
        at_k=finding.budget.at_k,
        message=finding.message,
    )


def _counterfactual(
    finding: Counterfactual, catalogue: Catalogue
) -> recommender_pb2.Counterfactual:
    rows = zip(finding.items.tolist(), finding.scores.tolist(), finding.steered_ranks, strict=True)
    return recommender_pb2.Counterfactual(
        items=[
            recommender_pb2.UnsteeredItem(
                item_id=catalogue.item_ids[index],
                score=score,
                steered_rank=rank,
                title=catalogue.titles[index],
            )
            for index, score, rank in rows
        ],
        overlap=finding.overlap,
        shares=[
            recommender_pb2.ShareChange(
                attribute=_attribute(own.attribute), share_before=own.before, share_after=own.after
            )
            for own in finding.shares
        ],
    )


def _method(contributions: Contributions) -> recommender_pb2.ContributionMethod.ValueType:
    if contributions.is_exact:
        return recommender_pb2.CONTRIBUTION_METHOD_EXACT
    return recommender_pb2.CONTRIBUTION_METHOD_LEAVE_ONE_OUT


def _tell_rules(response: recommender_pb2.RecommendResponse, found: Contributions) -> None:
    for item, own in zip(response.items, found.by_item, strict=True):
        item.rule_contributions.extend(
            recommender_pb2.RuleContribution(
                report_index=part.index, score_change=part.score_change
            )
            for part in own
        )


def _tell_features(
    response: recommender_pb2.RecommendResponse, found: Contributions, label: Callable[[int], str]
) -> None:
    for item, own in zip(response.items, found.by_item, strict=True):
        item.feature_contributions.extend(
            recommender_pb2.FeatureContribution(
                feature_index=part.index,
                label=label(part.index),
                activation=part.activation,
                score_change=part.score_change,
            )
            for part in own
        )


def _labels(served: ServedModel) -> Callable[[int], str]:
    cards = served.bundle.cards.features
    return lambda index: cards[index].label


def _attribute(attribute: Attribute) -> rule_pb2.Attribute:
    return rule_pb2.Attribute(name=attribute.name, value=attribute.value)
