"""Settings of time-stamps on checkpoints (RFC 3161)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from sesn_node.domain.checks import check_distinct, check_pattern
from sesn_node.errors import MalformedError
from sesn_node.settings import Section, Setting

MAX_AUTHORITIES: Final = 8

_OID = re.compile(r"(?:[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,30})?", re.ASCII)
_URL = re.compile(r"https?://[!-~]+", re.ASCII)


def _check_url(key: str, text: str) -> None:
    check_pattern(key, text, _URL, "http:// or https://, then a host")
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or parts.fragment or "@" in parts.netloc:
        raise MalformedError(
            f"{key}: expected a host, perhaps a port and a path, and no user, got {text!a}"
        )


def _check_file(key: str, text: str) -> None:
    if not text.strip():
        raise MalformedError(f"{key}: must name a file")


def _check_policy(key: str, text: str) -> None:
    check_pattern(key, text, _OID, "an object identifier such as 1.3.6.1.4.1.13762.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority(Section):
    """A time-stamping authority."""

    url: Annotated[str, Setting("Where it is asked, by HTTP POST.", high=500, check=_check_url)]
    roots: Annotated[
        str,
        Setting(
            "PEM file with the roots that certify it. {home} is the folder of this file; a "
            "relative path starts there.",
            high=1_000,
            check=_check_file,
        ),
    ]
    policy: Annotated[
        str, Setting("Policy that its tokens must name; empty for any.", check=_check_policy)
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamps(Section):
    """Somebody else's clock over our ledger: tokens of time-stamping authorities (RFC 3161)."""

    authorities: Annotated[
        tuple[Authority, ...],
        Setting(
            "Authorities, asked in this order until one answers: {url, roots, policy}. url: where, "
            "http:// or https://, to no other host and through no proxy. roots: PEM file with the "
            "roots that certify it; {home} is the folder of this file, a relative path starts "
            "there. policy: object identifier that its tokens must name, or left out. An authority "
            "sees a hash, and when it was asked. Empty: off.",
            high=MAX_AUTHORITIES,
        ),
    ] = ()
    interval_seconds: Annotated[
        int,
        Setting(
            "From one token to the next; none is asked for while the ledger does not grow.",
            low=1,
            high=604_800,
        ),
    ] = 3_600
    grace_seconds: Annotated[
        int,
        Setting(
            "How long no authority may answer before it is an alarm. The node goes on all the "
            "same.",
            low=0,
            high=31_622_400,
        ),
    ] = 86_400
    timeout_ms: Annotated[
        int, Setting("How long one authority may take to answer.", low=100, high=120_000)
    ] = 15_000

    def verify(self) -> None:
        """Check that no authority is there twice."""
        check_distinct("authorities", (one.url for one in self.authorities))
