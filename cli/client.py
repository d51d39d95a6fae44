"""A channel to a service, with its stubs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import grpc
from steerrec.v1 import (
    decision_pb2_grpc,
    feature_pb2_grpc,
    model_pb2_grpc,
    preset_pb2_grpc,
    preview_pb2_grpc,
    recommender_pb2_grpc,
)

from cli.rpc_refusal import refusal
from loadtest.addresses import channel_options

MAX_MESSAGE_BYTES = 64 * 2**20
"""Above the service's own default limit: a large page of cards is no reason to fail here."""

Request_contra = TypeVar("Request_contra", contravariant=True)
Reply_co = TypeVar("Reply_co", covariant=True)
Request = TypeVar("Request")
Reply = TypeVar("Reply")
Page = TypeVar("Page", bound="_Page")


class _Method(Protocol[Request_contra, Reply_co]):
    def __call__(self, request: Request_contra, /, *, timeout: float | None = None) -> Reply_co: ...


class _Stream(Protocol[Request_contra, Reply_co]):
    def __call__(
        self, request: Request_contra, /, *, timeout: float | None = None
    ) -> Iterator[Reply_co]: ...


class _Page(Protocol):
    @property
    def next_page_token(self) -> str: ...


class Client:
    """One service, as this command sees it; errors end the command."""

    def __init__(self, channel: grpc.Channel, address: str, timeout_s: float) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.recommender = recommender_pb2_grpc.RecommenderServiceStub(channel)
        self.presets = preset_pb2_grpc.PresetServiceStub(channel)
        self.features = feature_pb2_grpc.FeatureServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)
        self.previews = preview_pb2_grpc.PreviewServiceStub(channel)
        self.decisions = decision_pb2_grpc.DecisionServiceStub(channel)

    def call(self, method: _Method[Request, Reply], request: Request) -> Reply:
        """The answer of one of the stubs' methods.

        Raises:
            CallRefused: the service refused, or did not answer in time.
        """
        try:
            return method(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise refusal(error, self.address) from error

    def stream(
        self, method: _Stream[Request, Reply], request: Request, timeout_s: float | None = None
    ) -> Iterator[Reply]:
        """The answers of one of the stubs' streaming methods.

        Args:
            method: of a stub.
            request: what it is asked; requests where it takes a stream.
            timeout_s: for all answers together; None: that of the command.

        Raises:
            CallRefused: the service refused, or was not done in time.
        """
        try:
            yield from method(request, timeout=timeout_s or self.timeout_s)
        except grpc.RpcError as error:
            raise refusal(error, self.address) from error


@contextmanager
def connected(address: str, timeout_s: float) -> Iterator[Client]:
    """A client of the service at `address`; the first call finds out whether it is there."""
    size = ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)
    options = [size, *channel_options(address)]
    with grpc.insecure_channel(address, options=options) as channel:
        yield Client(channel, address, timeout_s)


def pages(ask: Callable[[str], Page]) -> Iterator[Page]:
    """Every page of a list, in order; `ask` gets each page's token."""
    token = ""
    while True:
        page = ask(token)
        yield page
        token = page.next_page_token
        if not token:
            return
