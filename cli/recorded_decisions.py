"""Decisions that the service recorded: listed, shown, and answered again."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from google.protobuf.json_format import MessageToDict
from rich.table import Table
from steerrec.v1 import decision_pb2, recommender_pb2

from cli.client import Client, pages
from cli.errors import Refused
from cli.output import show, show_json, table
from cli.slates import explained, remarks, slate_table
from cli.stored_presets import moment

PAGE = 1000
"""Decisions asked for at once, at most."""
SHOWN_HISTORY = 10
"""Items of a history that fit a line."""
DEFAULT_TARGET_K = 20
"""Length on which shares are counted where the request names none."""


def listed(client: Client, limit: int) -> list[decision_pb2.Decision]:
    """The newest decisions, newest first."""

    def ask(token: str) -> decision_pb2.ListDecisionsResponse:
        request = decision_pb2.ListDecisionsRequest(page_size=min(limit, PAGE), page_token=token)
        return client.call(client.decisions.ListDecisions, request)

    told = chain.from_iterable(page.decisions for page in pages(ask))
    return list(islice(told, limit))


def recorded(client: Client, decision_id: str) -> decision_pb2.Decision:
    """One decision, as it was recorded."""
    request = decision_pb2.GetDecisionRequest(decision_id=decision_id)
    return client.call(client.decisions.GetDecision, request).decision


def replayed(client: Client, decision_id: str) -> decision_pb2.ReplayDecisionResponse:
    """The recorded answer and the one given now from the same bundle, revisions and request."""
    request = decision_pb2.ReplayDecisionRequest(decision_id=decision_id)
    return client.call(client.decisions.ReplayDecision, request)


def show_decisions(decisions: Sequence[decision_pb2.Decision], *, as_json: bool) -> None:
    """Print one line for each decision."""
    if as_json:
        show_json(decisions)
        return
    columns = ("decision", "when", "replica", "model", "presets", "history", "items")
    made = table(*columns, right=("history", "items"))
    for one in decisions:
        made.add_row(
            one.decision_id,
            moment(one.decide_time),
            one.replica_id,
            one.response.model_version,
            ", ".join(f"{p.name}@{p.revision}" for p in one.response.applied_presets),
            str(len(one.request.history)),
            str(len(one.response.items)),
        )
    show(made)


def show_decision(decision: decision_pb2.Decision, *, as_json: bool) -> None:
    """Print what was asked and what was answered."""
    if as_json:
        show_json(decision)
        return
    show(_asked(decision), *_request_lines(decision.request))
    show(slate_table(decision.response), *explained(decision.response), remarks(decision.response))


def show_replay(reply: decision_pb2.ReplayDecisionResponse, *, as_json: bool) -> None:
    """Print both answers side by side, and whether they are the same.

    Raises:
        Refused: they are not; with what differs.
    """
    if as_json:
        show_json(reply)
    else:
        show(_asked(reply.decision), _both(reply))
        show("the same items, order and scores" if reply.is_same else "not the same")
    if not reply.is_same:
        raise Refused(list(reply.differences) or "the replayed slate is not the recorded one")


def _asked(decision: decision_pb2.Decision) -> str:
    request, response = decision.request, decision.response
    presets = ", ".join(f"{p.name}@{p.revision}" for p in response.applied_presets) or "none"
    return (
        f"decision {decision.decision_id}, {moment(decision.decide_time)} "
        f"by {decision.replica_id}: "
        f"{len(request.history)} items of history, presets {presets}, "
        f"{len(request.rules)} rules of its own, model {response.model_version}"
    )


def _request_lines(request: recommender_pb2.RecommendRequest) -> Iterator[str]:
    """What the caller sent, each part that there is on a line of its own."""
    shown = ", ".join(request.history[:SHOWN_HISTORY]) or "none"
    more = len(request.history) - SHOWN_HISTORY
    yield f"history, oldest first: {shown}{f' and {more} more' if more > 0 else ''}"
    if request.HasField("context"):
        yield f"context: {json.dumps(MessageToDict(request.context), ensure_ascii=False)}"
    if request.presets:
        yield f"presets asked for: {', '.join(_spelled(one) for one in request.presets)}"
    if request.HasField("target"):
        yield f"target: {_target_text(request.target)}"
    if request.HasField("budget"):
        yield f"budget: {_budget_text(request.budget)}"


def _spelled(reference: recommender_pb2.PresetReference) -> str:
    at = f"@{reference.revision}" if reference.HasField("revision") else ""
    return f"{reference.name}{at}"


def _target_text(target: recommender_pb2.Target) -> str:
    mix = ", ".join(
        f"{one.attribute.name}={one.attribute.value} {one.share:.1%}" for one in target.mix
    )
    length = f"on the top {target.at_k or DEFAULT_TARGET_K}"
    tolerance = f", tolerance {target.tolerance:g}" if target.HasField("tolerance") else ""
    return f"{mix} {length}{tolerance}"


def _budget_text(budget: recommender_pb2.Budget) -> str:
    given = {field.name: value for field, value in budget.ListFields()}
    bounds = [f"{name} {value:g}" for name, value in given.items() if name != "at_k"]
    length = f"on the top {budget.at_k}" if budget.at_k else "on the slate asked for"
    return f"{' and '.join(bounds)} {length}"


def _both(reply: decision_pb2.ReplayDecisionResponse) -> Table:
    made = table("rank", "recorded", "score", "replayed", "score now", right=("rank",))
    before, after = reply.decision.response.items, reply.replayed.items
    for rank in range(max(len(before), len(after))):
        cells = [str(rank + 1)]
        for items in (before, after):
            there = rank < len(items)
            item = items[rank] if there else None
            cells += ["", ""] if item is None else [item.item_id, f"{item.score:.6f}"]
        made.add_row(*cells)
    return made
