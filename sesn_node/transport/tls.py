"""Credentials of both ends of a connection."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from sesn_node.trust.certificates import certificate_pem

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import AgencyId

MAX_MESSAGE_BYTES = 6 * 1024 * 1024
"""A batch of 4 MiB, with room for its proofs and framing."""

_SETTLING_S = 0.1
"""How long a handshake waits that is the first after a change."""
_KEEPALIVE_MS = 20_000
_KEEPALIVE_TIMEOUT_MS = 10_000

_COMMON_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A cut that sends no FIN, as behind a firewall, is noticed within half a minute.
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A window that grows with the line would let whoever calls us put whole messages of every
    # call into our memory before we read any of them. What is being read has a window of its own:
    # a batch of 4 MiB takes 0.5 s at a round trip of 100 ms, and would take 0.1 s.
    ("grpc.http2.bdp_probe", 0),
    # Plain messages only, as a set of bits: compressed, 6 MiB may be 6 KiB to whoever sends them.
    ("grpc.compression_enabled_algorithms_bitset", 1 << 0),
)

SERVER_OPTIONS = (
    *_COMMON_OPTIONS,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", _KEEPALIVE_MS // 2),
    # Two nodes that share a port by mistake would take turns answering.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 64),
    # Whoever cannot prove an agency holds a connection, and so a file descriptor, for no longer
    # than this, and all of them together never so many that the node lacks one for its own files.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_allowed_incoming_connections", 400),
)


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Our leaf and its private key, as PEM."""

    leaf_pem: bytes
    key_pem: bytes = field(repr=False)


def channel_options(agency: AgencyId) -> tuple[tuple[str, int | str], ...]:
    """Return the options of a channel to one partner.

    grpcio ignores URI names in certificates, so it compares the DNS name that the leaf carries
    beside the agency's URI.
    """
    return (
        *_COMMON_OPTIONS,
        ("grpc.ssl_target_name_override", f"{agency}.sesn.internal"),
        # Our own back-off decides when to dial; a shared connection pool has one of its own.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        # A proxy named in the environment is not where a partner is.
        ("grpc.enable_http_proxy", 0),
    )


def channel_credentials(identity: TlsIdentity, root_der: bytes) -> grpc.ChannelCredentials:
    """Trust one partner's root, and nobody else's, on a channel to it."""
    return grpc.ssl_channel_credentials(
        root_certificates=certificate_pem(root_der),
        private_key=identity.key_pem,
        certificate_chain=identity.leaf_pem,
    )


def server_credentials(
    identity: Callable[[], TlsIdentity], roots: Callable[[], tuple[bytes, ...]]
) -> grpc.ServerCredentials:
    """Trust the union of the partners' roots, asked anew at every handshake.

    Which partner a caller is, `admission` decides under that partner's own root.

    Args:
        identity: Our leaf and key.
        roots: Root certificates of all trusted partners, DER.
    """
    first = identity(), roots()
    return grpc.dynamic_ssl_server_credentials(
        _configuration(*first),
        _Reloading(identity, roots, first),  # type: ignore[arg-type]  # None is allowed, says grpc
        require_client_authentication=True,
    )


class _Reloading:
    """Tells grpc's core, at each handshake, what to serve with, if that has changed.

    Only then: the core puts what it is given in the place of what another thread may be making a
    handshake from at that moment, and frees that (use after free, grpc issue 36693). A stranger who
    opens a few connections at once would end the process. What remains is the moment of a change;
    the core calls one at a time, and by the time that it is given something else, whoever was told
    before that nothing has changed is long through with it.
    """

    def __init__(
        self,
        identity: Callable[[], TlsIdentity],
        roots: Callable[[], tuple[bytes, ...]],
        first: tuple[TlsIdentity, tuple[bytes, ...]],
    ) -> None:
        self._identity = identity
        self._roots = roots
        self._served = first

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what to serve with from now on, or None to go on as before."""
        wanted = self._identity(), self._roots()
        if wanted == self._served:
            return None
        time.sleep(_SETTLING_S)
        self._served = wanted
        return _configuration(*wanted)


def _configuration(
    own: TlsIdentity, roots: tuple[bytes, ...]
) -> grpc.ServerCertificateConfiguration:
    # With no partner yet, our own root would let nobody in but ourselves; an empty list would
    # mean no client certificate is asked for.
    trusted = b"".join(certificate_pem(root) for root in roots) or own.leaf_pem
    return grpc.ssl_server_certificate_configuration(
        [(own.key_pem, own.leaf_pem)], root_certificates=trusted
    )
