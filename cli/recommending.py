"""Asking for a slate, and for the slate beside it that no rule touched."""

from collections.abc import Sequence

import typer
from steerrec.v1 import recommender_pb2

from cli.client import Client
from cli.output import show, show_json
from cli.rpc_refusal import refused_result
from cli.rule_text import attribute_share_of, context_of, preset_reference_of, rule_of, share_of
from cli.slate_reports import before_after_table, reported, skipped_text
from cli.slates import comparison_table, explained, remarks, slate_table


def request_of(
    history: Sequence[str],
    *,
    k: int,
    presets: Sequence[str],
    rules: Sequence[str],
    context: Sequence[str],
    excluded: Sequence[str],
    include_history: bool,
    skip_unknown_presets: bool,
    is_full: bool,
    ignore_defaults: bool,
    model: str,
) -> recommender_pb2.RecommendRequest:
    """The request that the words of a command line spell.

    Raises:
        BadParameter: a preset, rule or fact that cannot be read.
    """
    return recommender_pb2.RecommendRequest(
        history=history,
        k=k,
        exclude_item_ids=excluded,
        include_history=include_history,
        presets=[preset_reference_of(text) for text in presets],
        rules=[rule_of(text) for text in rules],
        context=context_of(context),
        on_unknown_preset=recommender_pb2.ON_UNKNOWN_PRESET_SKIP
        if skip_unknown_presets
        else recommender_pb2.ON_UNKNOWN_PRESET_ERROR,
        view=recommender_pb2.VIEW_FULL if is_full else recommender_pb2.VIEW_BASIC,
        ignore_defaults=ignore_defaults,
        model=model,
    )


def aim(
    request: recommender_pb2.RecommendRequest,
    *,
    shares: Sequence[str],
    at_k: int,
    tolerance: float | None,
) -> None:
    """Gives the request the target that the words spell; no words: none.

    Raises:
        BadParameter: a share that cannot be read, or part of a target without a share.
    """
    if not shares:
        if at_k or tolerance is not None:
            raise typer.BadParameter("--target-k and --tolerance need a --target")
        return
    mix = [attribute_share_of(text) for text in shares]
    target = recommender_pb2.Target(mix=mix, at_k=at_k, tolerance=tolerance)
    request.target.CopyFrom(target)


def bind(
    request: recommender_pb2.RecommendRequest,
    *,
    min_overlap: str | None,
    min_score_retained: str | None,
    at_k: int,
) -> None:
    """Gives the request a quality budget where a bound is given; `0.8` or `80%`.

    Raises:
        BadParameter: a length without a bound, or a bound that is no number from 0 to 1.
    """
    if min_overlap is None and min_score_retained is None:
        if at_k:
            raise typer.BadParameter("--budget-k needs --min-overlap or --min-score-retained")
        return
    budget = recommender_pb2.Budget(
        min_overlap=_bound("--min-overlap", min_overlap),
        min_score_retained=_bound("--min-score-retained", min_score_retained),
        at_k=at_k,
    )
    request.budget.CopyFrom(budget)


def _bound(option: str, text: str | None) -> float | None:
    return None if text is None else share_of(text, f"{option} {text}")


def show_slate(client: Client, request: recommender_pb2.RecommendRequest, *, as_json: bool) -> None:
    """Print one slate and what was done to it."""
    reply = client.call(client.recommender.Recommend, request)
    if as_json:
        show_json(reply)
    else:
        slate = before_after_table if reply.HasField("counterfactual") else slate_table
        show(slate(reply), *reported(reply), *explained(reply), remarks(reply))
        if reply.skipped_presets:
            show(skipped_text(reply.skipped_presets))


def show_comparison(
    client: Client, request: recommender_pb2.RecommendRequest, *, as_json: bool
) -> None:
    """Print the unsteered and the steered slate side by side."""
    unsteered, steered = compared(client, request)
    if as_json:
        show_json({"unsteered": unsteered, "steered": steered})
    else:
        made = comparison_table(unsteered, steered)
        show(made, *reported(steered), *explained(steered), remarks(steered))
        if steered.skipped_presets:
            show(skipped_text(steered.skipped_presets))


def compared(
    client: Client, request: recommender_pb2.RecommendRequest
) -> tuple[recommender_pb2.RecommendResponse, recommender_pb2.RecommendResponse]:
    """The answers without and with steering, both in full, from one call.

    Raises:
        CallRefused: either was refused.
    """
    steered = recommender_pb2.RecommendRequest()
    steered.CopyFrom(request)
    steered.view = recommender_pb2.VIEW_FULL
    unsteered = recommender_pb2.RecommendRequest()
    unsteered.CopyFrom(steered)
    unsteered.disable_steering = True
    first, second = answers(client, [unsteered, steered])
    return first, second


def answers(
    client: Client, requests: Sequence[recommender_pb2.RecommendRequest]
) -> list[recommender_pb2.RecommendResponse]:
    """The answers to many requests, by one call.

    Raises:
        CallRefused: the call, or one of the requests, was refused.
    """
    batch = recommender_pb2.BatchRecommendRequest(requests=requests)
    results = client.call(client.recommender.BatchRecommend, batch).results
    return [_answer(result) for result in results]


def _answer(
    result: recommender_pb2.BatchRecommendResult,
) -> recommender_pb2.RecommendResponse:
    if result.WhichOneof("result") == "error":
        raise refused_result(result.error)
    return result.response
