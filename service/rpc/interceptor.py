"""What surrounds every call: request id, clock, metrics, error table. Once for all RPCs."""

import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, nullcontext
from time import perf_counter
from typing import Any, NamedTuple, NoReturn, TypeAlias
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from service.call_log import CallLog
from service.errors import InvalidRequest, Violation
from service.metrics import Metrics
from service.request_id import REQUEST_ID, named_by, request_id_of
from service.rpc.gate import Gate
from service.status import UNKNOWN, answer_to, status_of

REQUEST_ID_KEY = "x-request-id"
"""Trailing metadata of every call."""
PRINTABLE = "".join(map(chr, range(33, 127)))
RETRY_PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""Trailing metadata of refusals that are worth another try; gRPC clients obey it."""

MALFORMED = object()
"""What stands for a request whose bytes are no message."""
NOT_A_MESSAGE = "these bytes are no message of this method; is the client of another contract?"
OUR_METHODS = "/steerrec."
"""What the methods of our own services begin with."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
Streaming: TypeAlias = Callable[[Any, Context], AsyncGenerator[Any, None]]

log = logging.getLogger(__name__)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Names, times, counts and refuses unary calls, and streams of ours.

    Streams are not timed: how long one takes is its caller's choice. Those of health and
    reflection pass through.
    """

    def __init__(self, metrics: Metrics, gate: Gate, call_log: CallLog) -> None:
        """Make it.

        Args:
            metrics: where calls are counted and timed.
            gate: by which calls come in.
            call_log: where refusals are logged.
        """
        self._metrics = metrics
        self._gate = gate
        self._call_log = call_log
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler with this interceptor around it; made once per method."""
        method = handler_call_details.method
        if (wrapped := self._wrapped.get(method)) is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return self._wrapped.setdefault(method, self.around(method, handler))

    def around(self, method: str, handler: Any) -> Any:
        """The handler of a method with this interceptor around it."""
        if handler.unary_unary is not None:
            around = self._around(method, handler.unary_unary)
            return _handler(grpc.unary_unary_rpc_method_handler, around, handler)
        if not method.startswith(OUR_METHODS):
            return handler
        if handler.unary_stream is not None:
            stream = self._around_stream(method, handler.unary_stream)
            return _handler(grpc.unary_stream_rpc_method_handler, stream, handler)
        if handler.stream_stream is not None:
            both = self._around_both(method, handler.stream_stream)
            return _handler(grpc.stream_stream_rpc_method_handler, both, handler)
        return handler

    def _around(self, method: str, behaviour: Behaviour) -> Behaviour:
        # health is answered to the end, so that a drain can be seen
        passed = self._gate.passed if method.startswith(OUR_METHODS) else nullcontext

        async def call(request: Any, context: Context) -> Any:
            request_id, start = _begun(request, context), perf_counter()
            code = grpc.StatusCode.OK
            try:
                with passed():
                    return await behaviour(_well_formed(request), context)
            except BaseException as error:
                code = _code_of(error, context)
                self._tell(method, error, request_id, start)
                await _end(context, method, error, request_id)
            finally:
                self._metrics.requests.labels(method, code.name).inc()
                self._metrics.stages["total"].observe(perf_counter() - start)

        return call

    def _around_stream(self, method: str, behaviour: Streaming) -> Streaming:
        async def call(request: Any, context: Context) -> AsyncGenerator[Any, None]:
            request_id, start = _begun(request, context), perf_counter()
            code = grpc.StatusCode.OK
            try:
                with self._gate.passed():
                    async with aclosing(behaviour(_well_formed(request), context)) as messages:
                        async for message in messages:
                            yield message
                            self._gate.refuse_if_closed()
            except BaseException as error:
                code = _code_of(error, context)
                self._tell(method, error, request_id, start)
                await _end(context, method, error, request_id)
            finally:
                self._metrics.requests.labels(method, code.name).inc()

        return call

    def _around_both(self, method: str, behaviour: Streaming) -> Streaming:
        """Around streams both ways: the drain ends what comes in, and they answer what came."""

        async def call(requests: Any, context: Context) -> AsyncGenerator[Any, None]:
            request_id, start = _begun(requests, context), perf_counter()
            code = grpc.StatusCode.OK
            try:
                with self._gate.passed():
                    async with aclosing(behaviour(self._incoming(requests), context)) as messages:
                        async for message in messages:
                            yield message
            except BaseException as error:
                code = _code_of(error, context)
                self._tell(method, error, request_id, start)
                await _end(context, method, error, request_id)
            finally:
                self._metrics.requests.labels(method, code.name).inc()

        return call

    def _tell(self, method: str, error: BaseException, request_id: str, start: float) -> None:
        """Logs a refusal; not a call that was given up by its caller."""
        if isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError):
            self._call_log.refused(method, error, request_id, start)

    async def _incoming(self, messages: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """The messages until the caller has no more.

        Raises:
            Draining: the drain began.
            InvalidRequest: bytes that are no message.
        """
        supply = aiter(messages)
        while True:
            async with self._gate.until_closed():
                message = await anext(supply, None)
            if message is None:
                return
            yield _well_formed(message)


def _begun(request: Any, context: Context) -> str:
    """The call's id, told to whoever asks for it from here on."""
    request_id = request_id_of(request)
    REQUEST_ID.set(request_id)
    context.set_trailing_metadata((named(request_id),))
    return request_id


async def _end(context: Context, method: str, error: BaseException, request_id: str) -> NoReturn:
    """Ends the call as the table says; one that is ended already, or gone, as it is."""
    if isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError):
        await refuse(context, method, error, request_id)
    raise error


def _handler(make: Callable[..., Any], behaviour: Any, of: Any) -> Any:
    """The handler `of` with another behaviour, and deaf to bytes that are no message."""
    return make(behaviour, _tolerant(of.request_deserializer), of.response_serializer)


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Gives MALFORMED for bytes that are no message, which gRPC itself would answer UNKNOWN."""

    def parsed(message: bytes) -> Any:
        try:
            return deserialize(message)
        except DecodeError:
            return MALFORMED

    return parsed


def _well_formed(request: Any) -> Any:
    if request is MALFORMED:
        raise InvalidRequest([Violation("request", NOT_A_MESSAGE)])
    return request


async def refuse(context: Context, method: str, error: Exception, request_id: str) -> None:
    """Ends the call with the table's status for the error; an unknown one is logged."""
    refusal = refusal_of(method, error, request_id)
    await context.abort(refusal.code, refusal.details, refusal.metadata)


class Refusal(NamedTuple):
    """What a caller gets instead of an answer."""

    code: grpc.StatusCode
    details: str
    metadata: tuple[tuple[str, str | bytes], ...]
    """Trailing."""


def refusal_of(method: str, error: Exception, request_id: str) -> Refusal:
    """What the table makes of an error; an unknown one is logged."""
    answer = answer_to(error)
    if answer is UNKNOWN:
        with named_by(request_id):
            log.error("%s failed", method, exc_info=error)
    status = rpc_status.to_status(status_of(error, request_id))
    metadata = [named(request_id), *(status.trailing_metadata or ())]
    if answer.retry_after_s is not None:
        metadata.append((RETRY_PUSHBACK_KEY, str(round(answer.retry_after_s * 1000))))
    return Refusal(status.code, status.details, tuple(metadata))


def named(request_id: str) -> tuple[str, str]:
    """The id as metadata."""
    # a header holds ASCII only, a caller's id anything
    return REQUEST_ID_KEY, quote(request_id, safe=PRINTABLE)


def _code_of(error: BaseException, context: Context) -> grpc.StatusCode:
    """The code that a call ends with."""
    if isinstance(error, grpc.aio.AbortError):  # a servicer's own
        code = context.code()
        return next((own for own in grpc.StatusCode if code in (own, own.value[0])), UNKNOWN.code)
    return answer_to(error).code if isinstance(error, Exception) else grpc.StatusCode.CANCELLED
