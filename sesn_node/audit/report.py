"""The report of an audit: one HTML page that needs nothing else, for people who are no engineers.

It holds no script and no reference to anything outside, and forbids both to itself. The same
verdict and bundles always give the same page.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from sesn_node.audit.report_bundles import bundles_part
from sesn_node.audit.report_cases import cases_part
from sesn_node.audit.report_checks import checks_part, gaps_part, numbers_part
from sesn_node.audit.report_conversations import conversations_part
from sesn_node.audit.report_details import details_part
from sesn_node.audit.report_markup import Html, join, tag
from sesn_node.audit.report_reading import read_case
from sesn_node.audit.report_style import STYLE
from sesn_node.audit.report_verdict import verdict_part
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.counting import many

if TYPE_CHECKING:
    from sesn_node.audit.report_case import Case
    from sesn_node.audit.verdict import Verdict

_PARTS = (
    ("verdict", "Verdict"),
    ("bundles", "What was examined"),
    ("numbers", "In numbers"),
    ("gaps", "Gaps"),
    ("cases", "Return-to-origin cases"),
    ("conversations", "Conversations"),
    ("checks", "Checks"),
    ("detail", "Cryptographic detail"),
    ("fingerprints", "Fingerprints"),
)
_ALWAYS = frozenset({"verdict", "bundles", "checks"})
"""Parts that are there even if no bundle can be read."""


def report(verdict: Verdict, bundles: Sequence[BinaryIO]) -> Iterator[Html]:
    """Yield the page piece by piece, to be written in UTF-8.

    Args:
        verdict: What `verify` said of the bundles.
        bundles: The bundles, in the same order, seekable.

    Raises:
        OSError: A bundle cannot be read.
    """
    case = read_case(verdict, bundles)
    yield _opening()
    yield _title(verdict, case)
    yield verdict_part(verdict, case)
    yield bundles_part(verdict, case)
    yield numbers_part(case)
    yield gaps_part(case)
    yield from cases_part(verdict)
    yield from conversations_part(verdict, case)
    yield checks_part(verdict)
    yield from details_part(verdict, case)
    yield Html("</main>\n</body>\n</html>\n")


def _opening() -> Html:
    style = Html(STYLE)
    digest = base64.b64encode(sha256(style.encode())).decode()
    # Should anything ever be taken for markup, a browser may neither run nor fetch it.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "SESN audit report"),
        tag("style", style),
    )
    return join(Html('<!DOCTYPE html>\n<html lang="en">\n'), head, Html("\n<body>\n<main>\n"))


def _title(verdict: Verdict, case: Case) -> Html:
    links = (
        tag("li", tag("a", title, href=f"#{name}"))
        for name, title in _PARTS
        if (verdict.cases if name == "cases" else case.sources) or name in _ALWAYS
    )
    return join(
        tag("h1", "Audit report"),
        tag(
            "p",
            f"On {many(len(verdict.bundles), 'audit bundle')} of the Seaport Environmental "
            "Security Network. Made offline, from the files alone: no agency was asked.",
            class_="lead",
        ),
        tag("nav", tag("ul", *links), aria_label="Contents"),
    )
