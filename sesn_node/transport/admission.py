"""Who is calling: every RPC's certificate, proven under its own agency's root.

TLS let the caller in because *some* partner's root issued its certificate. That a partner's CA
cannot speak for another agency is decided here, on every call, health and reflection included.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from sesn_node.errors import PolicyError, SesnError, VerificationError
from sesn_node.telemetry import get_logger
from sesn_node.trust.certificates import LeafVerifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office

_log = get_logger(__name__)

_TLS_VERSION = b"TLSv1.3"
# grpc's handlers are untyped callables of (request or iterator, context).
Handler = Any
Context = grpc.aio.ServicerContext[Any, Any]


class Admission(grpc.aio.ServerInterceptor):
    """Admits trusted partners, and keeps their open calls so that trust can end at once."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._leaves = LeafVerifier()
        self._open: defaultdict[AgencyId, set[asyncio.Task[object]]] = defaultdict(set)

    def caller(self, context: Context) -> AgencyId:
        """Return the agency that is calling.

        Raises:
            VerificationError: Not TLS 1.3, or the certificate does not prove an agency.
            PolicyError: The agency is not trusted.
        """
        auth = context.auth_context()
        if list(auth.get("ssl_tls_version", [])) != [_TLS_VERSION]:
            raise VerificationError("the connection is not TLS 1.3", code="TLS_VERSION")
        certificates = list(auth.get("x509_pem_cert", []))
        if len(certificates) != 1:
            raise VerificationError("the caller presented no certificate", code="NO_CERTIFICATE")
        now_ms = self._office.clock()
        directory = self._office.directory()
        agency = self._leaves.identify(certificates[0], now_ms, directory.roots(now_ms))
        directory.trusted(agency, now_ms)
        return agency

    def cut_off(self, trusted: Iterable[AgencyId]) -> None:
        """End the open calls of every agency that is not among the trusted ones."""
        for agency in set(self._open) - set(trusted):
            for task in self._open.pop(agency):
                task.cancel()

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
                return handler._replace(**{kind: self._guarded(inner)})
        return handler

    def _guarded(self, inner: Handler) -> Handler:
        if inspect.isasyncgenfunction(inner):

            async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
                with self._during(await self._admitted(context)):
                    async for response in inner(request, context):
                        yield response

            return stream

        async def unary(request: Any, context: Context) -> Any:
            with self._during(await self._admitted(context)):
                return await inner(request, context)

        return unary

    async def _admitted(self, context: Context) -> AgencyId:
        try:
            return self.caller(context)
        except SesnError as error:
            _log.warning(
                "caller-refused", peer_address=context.peer(), code=error.code, detail=str(error)
            )
            status = (
                grpc.StatusCode.PERMISSION_DENIED
                if isinstance(error, PolicyError)
                else grpc.StatusCode.UNAUTHENTICATED
            )
            await context.abort(status, f"{error.code}: this node does not know you")
            raise

    @contextmanager
    def _during(self, agency: AgencyId) -> Iterator[None]:
        task = asyncio.current_task()
        if task is not None:
            self._open[agency].add(task)
        try:
            yield
        finally:
            if task is not None:
                self._open[agency].discard(task)
