"""Who is calling: every RPC's certificate, proven under its own agency's root.

TLS let the caller in because *some* partner's root issued its certificate. That a partner's CA
cannot speak for another agency is decided here, on every call, health and reflection included.
Here too, whoever calls too often waits for itself (`pacing`): before the database is asked who it
is, and before its request is read, which until then fills no more of our memory than a window of
HTTP/2.

Calls stay known while they are open, so that they can be ended: at once when trust ends, and
between two batches when the node shuts down. A caller whose task was merely cancelled would hear
nothing and wait for its own deadline; it gets a status instead.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from sesn_node.errors import (
    MalformedError,
    PolicyError,
    SesnError,
    StorageError,
    VerificationError,
)
from sesn_node.telemetry.logs import get_logger
from sesn_node.transport.link import MAX_SINGLE_BYTES
from sesn_node.transport.pacing import CALLS, TOO_MANY, Pacing
from sesn_node.transport.statuses import details_of, status_of
from sesn_node.trust.certificates import LeafVerifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.trust.directory import Directory

_log = get_logger(__name__)

_TLS_VERSION = b"TLSv1.3"
_END = object()
_MOST_OPEN = 64
"""Calls of one agency that are open at once: it may have several processes, with streams each way,
and look at our health."""
_MOST_READING = 2
"""Single requests of one agency that are read at once, each of which grpc holds whole."""
# grpc's handlers are untyped callables of (request or iterator of requests, context).
Handler = Any
Message = Any
Reader = Any
Context = grpc.aio.ServicerContext[Any, Any]
Requests: TypeAlias = "AsyncIterator[bytes]"


@dataclass(slots=True, eq=False)
class _Call:
    """An open call.

    Args:
        agency: Who calls.
        root: Root certificate that proved it, DER.
        task: What runs it.
        busy: Whether something is under way that an orderly shutdown waits for.
        inside: Whether it waits in our code. Only there it may be cancelled: grpc's own code
            would end the call without a status.
        ended: Status and words to end with, once that is decided.
    """

    agency: AgencyId
    root: bytes
    task: asyncio.Task[object] | None
    busy: bool
    inside: bool = False
    ended: tuple[grpc.StatusCode, str] | None = None

    def end(self, status: grpc.StatusCode, detail: str, *, at_once: bool) -> None:
        """End the call: now, or when what is under way is finished."""
        self.ended = (status, detail)
        if self.inside and self.task is not None and (at_once or not self.busy):
            self.task.cancel()

    async def step(self, work: Callable[[], Awaitable[Message]], context: Context) -> Message:
        """Do one step of the call, unless it is ended before or meanwhile."""
        try:
            if self.ended is None:
                self.inside = True
                return await work()
        except asyncio.CancelledError:
            if self.ended is None or self.task is None:
                raise
            self.task.uncancel()
        finally:
            self.inside = False
        status, detail = self.ended
        await context.abort(status, detail)
        raise asyncio.CancelledError


class Admission(grpc.aio.ServerInterceptor):
    """Admits trusted partners, and keeps their open calls so that they can be ended."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._leaves = LeafVerifier()
        self._open: dict[asyncio.Task[object] | None, _Call] = {}
        self._open_of: Counter[AgencyId] = Counter()
        self._reading: defaultdict[AgencyId, asyncio.Semaphore] = defaultdict(
            partial(asyncio.Semaphore, _MOST_READING)
        )
        self._pacing = Pacing(CALLS)
        self._cuts = 0
        self._hung_up = False

    def caller(self) -> AgencyId:
        """Return the agency whose call the current task handles.

        Raises:
            VerificationError: The call was not admitted.
        """
        call = self._open.get(asyncio.current_task())
        if call is None:
            raise VerificationError("this call was not admitted", code="NOT_ADMITTED")
        return call.agency

    async def prove(self, context: Context) -> tuple[AgencyId, bytes]:
        """Return the agency that is calling, and the root certificate that proves it.

        Raises:
            VerificationError: Not TLS 1.3, or the certificate does not prove an agency.
            PolicyError: The agency is not trusted.
            StorageError: Whom we trust cannot be read.
        """
        auth = context.auth_context()
        if list(auth.get("ssl_tls_version", [])) != [_TLS_VERSION]:
            raise VerificationError("the connection is not TLS 1.3", code="TLS_VERSION")
        certificates = list(auth.get("x509_pem_cert", []))
        if len(certificates) != 1:
            raise VerificationError("the caller presented no certificate", code="NO_CERTIFICATE")
        directory = await self._directory()
        now_ms = self._office.clock()
        roots = directory.roots(now_ms)
        agency = self._leaves.identify(certificates[0], now_ms, roots)
        directory.trusted(agency, now_ms)
        return agency, roots[agency]

    def _paced_as(self, context: Context) -> AgencyId | None:
        """Tell who seems to call, by what we knew last; None for all others together."""
        directory = self._office.partners.latest
        certificates = list(context.auth_context().get("x509_pem_cert", []))
        if directory is None or len(certificates) != 1:
            return None
        now_ms = self._office.clock()
        try:
            return self._leaves.identify(certificates[0], now_ms, directory.roots(now_ms))
        except SesnError:
            return None

    async def _directory(self) -> Directory:
        """Read whom we trust, as of no cut-off before this one returns.

        A call that is not open yet is not cut off; if trust ended while the database was read,
        the directory may still be the one before.
        """
        while True:
            cuts = self._cuts
            directory = await asyncio.to_thread(self._office.directory)
            if cuts == self._cuts:
                return directory

    def cut_off(self, trusted: Mapping[AgencyId, bytes]) -> None:
        """End at once every open call whose agency is not trusted, or under another root now."""
        self._cuts += 1
        for call in list(self._open.values()):
            if trusted.get(call.agency) != call.root:
                detail = f"NOT_TRUSTED: {call.agency} is no longer trusted"
                call.end(grpc.StatusCode.PERMISSION_DENIED, detail, at_once=True)
                _log.warning("call-cut-off", peer=call.agency, code="NOT_TRUSTED")

    def hang_up(self) -> None:
        """End every open call, the busy ones after their answer: the node shuts down."""
        self._hung_up = True
        for call in list(self._open.values()):
            _hang_up(call)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Let a shutdown wait for what the current stream is doing."""
        call = self._open.get(asyncio.current_task())
        if call is not None:
            call.busy = True
        try:
            yield
        finally:
            if call is not None:
                call.busy = False

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Put the admission in front of whatever handles the call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        for kind in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
            inner = getattr(handler, kind)
            if inner is not None:
                guarded = self._guarded(kind, inner, handler.request_deserializer)
                # Read here, not by grpc, a single request as well as many: nothing of a caller
                # who is not admitted is read, and bytes that mean nothing get a status that says
                # so.
                streaming = f"stream_{kind.partition('_')[2]}"
                changes = {kind: None, "request_streaming": True, "request_deserializer": None}
                return handler._replace(**(changes | {streaming: guarded}))
        return handler

    def _guarded(self, kind: str, inner: Handler, read: Reader) -> Handler:
        async def stream(requests: Requests, context: Context) -> AsyncIterator[Message]:
            async with _closing(requests), self._during(context) as call:
                request = await self._request(kind, read, requests, call, context)
                responses = inner(request, context)
                while True:
                    response = await call.step(partial(anext, responses, _END), context)
                    if response is _END:
                        return
                    yield response

        async def once(requests: Requests, context: Context) -> Message:
            async with _closing(requests), self._during(context) as call:
                request = await self._request(kind, read, requests, call, context)
                call.busy = kind == "unary_unary"
                return await call.step(partial(inner, request, context), context)

        return stream if inspect.isasyncgenfunction(inner) else once

    async def _request(
        self, kind: str, read: Reader, requests: Requests, call: _Call, context: Context
    ) -> Message:
        """Give a handler what it expects: the request, or all of them as they come.

        A handler of many that names no reader reads them itself, in a thread and at its own pace.
        """
        if kind.startswith("stream"):
            return aiter(requests) if read is None else self._read_each(read, requests, call.agency)
        async with self._reading[call.agency]:
            return await call.step(partial(_read_only, read, requests), context)

    async def _read_each(
        self, read: Reader, requests: Requests, agency: AgencyId
    ) -> AsyncIterator[Message]:
        """Read requests one by one, each as if it were a call."""
        async for raw in requests:
            await self._pacing.wait(agency)
            yield _read_one(read, raw)

    async def _admitted(self, context: Context) -> tuple[AgencyId, bytes]:
        try:
            await self._pacing.wait(self._paced_as(context))
            agency, root = await self.prove(context)
            if self._open_of[agency] >= _MOST_OPEN:
                raise PolicyError(f"at most {_MOST_OPEN} calls at once", code=TOO_MANY)
        except SesnError as error:
            self._office.watch.caller_refused(error.code)
            _log.warning(
                "caller-refused", peer_address=context.peer(), code=error.code, detail=str(error)
            )
            await context.abort(*_not_admitted(error))
            raise
        return agency, root

    @asynccontextmanager
    async def _during(self, context: Context) -> AsyncIterator[_Call]:
        """Admit a call, and keep it while it is open."""
        try:
            with self._kept(*await self._admitted(context)) as call:
                try:
                    yield call
                except (MalformedError, PolicyError) as error:
                    await _refuse_request(context, call.agency, error)
        except Exception as error:
            if (task := asyncio.current_task()) is not None:
                # Once grpc is through with it, and not before.
                task.add_done_callback(partial(_let_go, error))
            raise

    @contextmanager
    def _kept(self, agency: AgencyId, root: bytes) -> Iterator[_Call]:
        task = asyncio.current_task()
        call = self._open[task] = _Call(agency, root, task, busy=False)
        self._open_of[agency] += 1
        if self._hung_up:
            _hang_up(call)
        try:
            yield call
        finally:
            del self._open[task]
            self._open_of[agency] -= 1


def _let_go(error: BaseException, _ended: object) -> None:
    """Forget where the error that ended a call came from.

    grpc keeps it with the context of the call; its traceback has our frames, which hold that
    context, and the request. Such a circle, of 6 MiB perhaps, would stay until the interpreter
    looks for circles. It does so seldom, and counts objects, not bytes.
    """
    following: BaseException | None = error
    while following is not None:
        error, following = following, following.__context__
        error.__traceback__ = error.__context__ = error.__cause__ = None


@asynccontextmanager
async def _closing(requests: Requests) -> AsyncIterator[None]:
    """Close the reader of a call's requests at the end.

    Left alone, it is a circle of grpc's own making, and holds the last request; see `_let_go`.
    """
    try:
        yield
    finally:
        reader: Reader = aiter(requests)
        with suppress(RuntimeError):  # It is being read from: the call was cut off in grpc's code.
            await reader.aclose()


def _hang_up(call: _Call) -> None:
    call.end(grpc.StatusCode.UNAVAILABLE, "the node is shutting down", at_once=False)


def _not_admitted(error: SesnError) -> tuple[grpc.StatusCode, str]:
    """Tell no stranger more than the code; tell a partner that the fault is ours, if it is."""
    if isinstance(error, StorageError) or error.code == TOO_MANY:
        return status_of(error), details_of(error)
    # Whoever cannot prove who it is has done nothing yet that could be a precondition.
    unproven = isinstance(error, VerificationError)
    status = grpc.StatusCode.UNAUTHENTICATED if unproven else status_of(error)
    return status, f"{error.code}: this node does not know you"


def _read_one(read: Reader, raw: bytes) -> Message:
    if len(raw) > MAX_SINGLE_BYTES:
        raise MalformedError(f"the request has {len(raw)} bytes, at most {MAX_SINGLE_BYTES}")
    try:
        return read(raw)
    except DecodeError as error:
        raise MalformedError("the request is not the protobuf message of this call") from error


async def _read_only(read: Reader, requests: Requests) -> Message:
    async for raw in requests:
        return _read_one(read, raw)
    raise MalformedError("the call carries no request")


async def _refuse_request(context: Context, agency: AgencyId, error: SesnError) -> NoReturn:
    event = "request-malformed" if isinstance(error, MalformedError) else "call-failed"
    _log.warning(event, peer=agency, code=error.code, detail=str(error))
    await context.abort(status_of(error), details_of(error))
    raise error
