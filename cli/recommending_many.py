"""Asking for the slates of a file of histories, over one stream; JSON lines out."""

import sys
from collections.abc import Iterator, Sequence

from google.protobuf.json_format import MessageToDict
from steerrec.v1 import preview_pb2, recommender_pb2

from cli.client import Client
from cli.errors import Refused
from cli.output import json_text
from cli.rpc_refusal import refused_result

A_MESSAGE = 64
"""Requests that go together; more save nothing (`bench.many`)."""


def show_slates(
    client: Client,
    histories: Sequence[preview_pb2.PreviewHistory],
    like: recommender_pb2.RecommendRequest,
) -> None:
    """Print a JSON line for each history, in order: its slate, or why it was refused.

    Args:
        client: asks.
        histories: one each for a user; facts of their own go before those of `like`.
        like: all else that is asked.

    Raises:
        CallRefused: the stream ended before every history had its line.
        Refused: some were refused; their lines say why.
    """
    requests = [_request(history, like) for history in histories]
    ordered, refused = _InOrder(), 0
    try:
        for result in _results(client, requests):
            refused += result.HasField("error")
            ordered.show(result)
    finally:
        ordered.show_rest()
    if refused:
        raise Refused(f"{refused} of {len(requests)} histories were refused; see their lines")


def _request(
    history: preview_pb2.PreviewHistory, like: recommender_pb2.RecommendRequest
) -> recommender_pb2.RecommendRequest:
    request = recommender_pb2.RecommendRequest()
    request.CopyFrom(like)
    request.history[:] = history.item_ids
    if history.HasField("context"):
        request.context.CopyFrom(history.context)
    return request


def _results(
    client: Client, requests: Sequence[recommender_pb2.RecommendRequest]
) -> Iterator[recommender_pb2.StreamRecommendResult]:
    messages = (
        recommender_pb2.StreamRecommendRequest(requests=requests[start : start + A_MESSAGE])
        for start in range(0, len(requests), A_MESSAGE)
    )
    timeout_s = client.timeout_s * len(requests)
    for reply in client.stream(client.recommender.StreamRecommend, messages, timeout_s):
        yield from reply.results


class _InOrder:
    """Prints results in the order of their histories; what comes early waits."""

    def __init__(self) -> None:
        self._early: dict[int, recommender_pb2.StreamRecommendResult] = {}
        self._next = 0

    def show(self, result: recommender_pb2.StreamRecommendResult) -> None:
        """Prints the result and those that waited for it, or keeps it."""
        self._early[result.number] = result
        while (own := self._early.pop(self._next, None)) is not None:
            _print(own)
            self._next += 1

    def show_rest(self) -> None:
        """Prints what still waits: those before it never came."""
        for number in sorted(self._early):
            _print(self._early[number])


def _print(result: recommender_pb2.StreamRecommendResult) -> None:
    told: dict[str, object] = {"number": result.number + 1}
    if result.HasField("error"):
        refusal = refused_result(result.error)
        told["error"] = {"code": refusal.status, "message": str(refusal)}
    else:
        told["response"] = MessageToDict(result.response, preserving_proto_field_name=True)
    sys.stdout.write(json_text(told) + "\n")
