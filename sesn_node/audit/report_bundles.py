"""Who made which bundle, when, what was selected, and which agencies it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.audit.report_markup import (
    EMPTY,
    Html,
    bullets,
    code,
    facts,
    ident,
    join,
    listed,
    moment,
    quoted,
    table,
    tag,
)
from sesn_node.audit.verdict import BundleVerdict, Verdict
from sesn_node.domain.counting import many
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.times import utc_second

if TYPE_CHECKING:
    from sesn_node.audit.account import Selection
    from sesn_node.audit.report_case import Case, Source


def bundles_part(verdict: Verdict, case: Case) -> Html:
    """Write who made which bundle, when, and what was selected."""
    sources = {source.number: source for source in case.sources}
    parts = [
        _bundle(number, one, sources.get(number))
        for number, one in enumerate(verdict.bundles, start=1)
    ]
    return tag("section", tag("h2", "What was examined", id="bundles"), *parts, _agencies(case))


def _bundle(number: int, one: BundleVerdict, source: Source | None) -> Html:
    title = tag("h3", f"Bundle {number}: {one.agency or 'cannot be read'}")
    pairs: list[tuple[str, str]] = [("SHA-256 of the file", code(one.sha256.hex()))]
    if one.created_ms is not None:
        pairs.insert(0, ("made", join(moment(one.created_ms), " UTC, by the agency's clock")))
    if source is not None:
        pairs.append(("length", many(source.bundle.size, "byte")))
        pairs.append(("selected", _selected(source.bundle.manifest.selection)))
        pairs.append(
            (
                "messages",
                (
                    f"{source.sent:,} sent, {source.received:,} received, "
                    f"{source.disclosed:,} with content"
                ),
            )
        )
        pairs.append(("entries", f"{source.kinds.total():,} shown of {_ledgers(one)}"))
        pairs += [("cannot be read to its end", member) for member in source.broken]
    findings = [
        quoted(finding.text)
        for check in one.checks
        for finding in check.findings
        if one.agency is None
    ]
    return join(title, facts(pairs), bullets(findings) if findings else EMPTY)


def _ledgers(one: BundleVerdict) -> str:
    return f"{sum(ledger.size for ledger in one.ledgers):,}, in " + many(len(one.ledgers), "ledger")


def _selected(selection: Selection) -> Html:
    parts: list[str] = []
    if selection.from_ms is not None:
        parts.append(f"recorded from {utc_second(selection.from_ms)} UTC")
    if selection.to_ms is not None:
        parts.append(f"recorded before {utc_second(selection.to_ms)} UTC")
    if selection.conversation is not None:
        parts.append(join("conversation ", code(show_message_id(selection.conversation))))
    if selection.messages:
        parts.append(many(len(selection.messages), "message") + " by id")
    if not parts:
        parts.append("everything")
    if selection.blind:
        parts.append("without the ledger's entries (hashes only)")
    if selection.disclosed:
        parts.append(f"content of {many(len(selection.disclosed), 'message')} disclosed")
    return listed(parts, "; ")


def _agencies(case: Case) -> Html:
    made = {source.agency: source.number for source in case.sources}
    rows = []
    for agency in sorted(case.cards):
        card = case.cards[agency][-1].card
        bundle = f"bundle {made[agency]}" if agency in made else "none here"
        rows.append((ident(agency), quoted(card.name), card.role.value, card.country, bundle))
    if not rows:
        return EMPTY
    heads = ("Id", "Name on its card", "Kind", "Country", "Its own bundle")
    return table("Agencies", heads, rows)
