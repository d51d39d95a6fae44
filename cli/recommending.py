"""Asking for a slate, and for the slate beside it that no rule touched."""

from collections.abc import Sequence

from steerrec.v1 import recommender_pb2

from cli.client import Client
from cli.output import show, show_json
from cli.rpc_refusal import refused_result
from cli.rule_text import context_of, preset_reference_of, rule_of
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
        model=model,
    )


def show_slate(client: Client, request: recommender_pb2.RecommendRequest, *, as_json: bool) -> None:
    """Print one slate and what was done to it."""
    reply = client.call(client.recommender.Recommend, request)
    if as_json:
        show_json(reply)
    else:
        show(slate_table(reply), *explained(reply), remarks(reply))


def show_comparison(
    client: Client, request: recommender_pb2.RecommendRequest, *, as_json: bool
) -> None:
    """Print the unsteered and the steered slate side by side."""
    unsteered, steered = compared(client, request)
    if as_json:
        show_json({"unsteered": unsteered, "steered": steered})
    else:
        show(comparison_table(unsteered, steered), *explained(steered), remarks(steered))


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
