"""The cryptographic detail: ledgers, roots, witnesses, keys, fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.audit.report_case import Case, Source
from sesn_node.audit.report_markup import (
    EMPTY,
    Html,
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
from sesn_node.audit.report_words import other
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.signing import EcdsaVerifier
from sesn_node.domain.counting import many, numbered
from sesn_node.domain.entries import ABOUT_NO_MESSAGE
from sesn_node.domain.ids import parse_origin
from sesn_node.trust.fingerprint import hex_groups, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sesn_node.audit.verdict import Identity, LedgerSummary, Verdict
    from sesn_node.domain.ids import AgencyId
    from sesn_node.trust.card import TrustedCard

_MAX_AGENCIES: Final = 60
_ABOUT_MESSAGES_MS: Final = 1000


def details_part(verdict: Verdict, case: Case) -> Iterator[Html]:
    """Write the details, bundle by bundle, then the agencies."""
    if not case.sources:
        return
    yield tag("h2", "Cryptographic detail", id="detail")
    yield tag(
        "p",
        "Ledgers are Merkle trees (RFC 6962) whose signed heads, cosignatures and proofs have the "
        "formats of C2SP; programs that others wrote can check them. A head counts only with both "
        "signatures, Ed25519 and ML-DSA-44.",
        class_="note",
    )
    for source in case.sources:
        yield tag(
            "section",
            tag("h3", f"Bundle {source.number}: {source.agency}"),
            *_ledgers(source),
            _witnesses(source),
            _partners(source),
            _tokens(source),
            _other(source),
        )
    yield from _fingerprints(verdict, case)


def _ledgers(source: Source) -> Iterator[Html]:
    for ledger in source.verdict.ledgers:
        head = source.heads.get(ledger.origin)
        pairs: list[tuple[str, str]] = [
            ("ledger", code(ledger.origin)),
            ("entries", f"{ledger.size:,}, of which partners vouch for {ledger.vouched:,}"),
            *_stamped(ledger),
        ]
        pairs += [
            ("came back", numbered(one.start, one.end - 1, "entry", "entries"))
            for one in ledger.recovered
        ]
        if ledger.lost:
            pairs.append(("lost", f"what {many(ledger.lost, 'entry refers', 'entries refer')} to"))
        root = code(ledger.root.hex()) if ledger.root else "no checkpoint verifies"
        pairs.append(("root (SHA-256)", root))
        if head is not None:
            pairs.append(
                (
                    "checkpoints here",
                    f"{head.count:,}, the newest of {many(head.size, 'entry', 'entries')}",
                )
            )
            if head.time_s:
                pairs.append(("signed", join(moment(head.time_s * _ABOUT_MESSAGES_MS), " UTC")))
            pairs.append(("by keys", listed((code(one) for one in head.key_ids), " ")))
        yield facts(pairs)


def _stamped(ledger: LedgerSummary) -> Iterator[tuple[str, str]]:
    """Tell how far an authority that the auditor trusts has time-stamped a ledger."""
    if ledger.stamped is not None:
        first = many(ledger.stamped.size, "entry", "entries")
        when = moment(ledger.stamped.time_ms)
        yield (
            "time-stamped",
            join(first, " at ", when, " UTC by ", quoted(ledger.stamped.authority)),
        )


def _witnesses(source: Source) -> Html:
    if not source.cosignatures:
        return tag("p", "No cosignatures of partners are in this bundle.")
    rows = []
    for (origin, agency), note in sorted(source.cosignatures.items()):
        when = moment(note.time_s * _ABOUT_MESSAGES_MS) if note.time_s else "no time"
        keys = listed((code(one) for one in note.key_ids), " ")
        rows.append(
            (
                ident(agency),
                f"{parse_origin(origin)[1]}",
                f"{note.size:,}",
                when,
                f"{note.count:,}",
                keys,
            )
        )
    heads = ("Witness", "Ledger", "Entries", "Cosigned (UTC)", "In all", "Its keys (name + id)")
    return table("Newest cosignature of each witness", heads, rows)


def _partners(source: Source) -> Html:
    own = {ledger.origin for ledger in source.bundle.manifest.ledgers}
    rows = []
    for origin, note in sorted(source.heads.items()):
        if origin not in own:
            when = moment(note.time_s * _ABOUT_MESSAGES_MS) if note.time_s else "no time"
            rows.append((code(origin), f"{note.size:,}", when, f"{note.count:,}"))
    if not rows:
        return EMPTY
    heads = ("Ledger", "Entries", "Signed (UTC)", "In all")
    return table("Newest checkpoint kept of each partner's ledger", heads, rows)


def _tokens(source: Source) -> Html:
    if not source.tokens:
        return EMPTY
    rows = [
        (code(one.origin), f"{one.size:,}", code(one.root.hex()), code(sha256(one.token).hex()))
        for one in source.tokens
    ]
    more = source.token_count - len(rows)
    rest = tag("p", f"{more:,} more are left out.") if more else EMPTY
    heads = ("Ledger", "Entries", "Root", "SHA-256 of the token")
    return join(table("Time-stamp tokens (RFC 3161)", heads, rows), rest)


def _other(source: Source) -> Html:
    if not source.other:
        return EMPTY
    rows = [
        (moment(one.time_ms), other(one), ident(f"{parse_origin(one.origin)[1]} #{one.index}"))
        for one in source.other
    ]
    total = sum(source.kinds[kind] for kind in ABOUT_NO_MESSAGE)
    more = total - len(rows)
    rest = tag("p", f"{more:,} more are left out.") if more > 0 else EMPTY
    caption = "Keys, trust and exports, as the ledger records them"
    return join(table(caption, ("When (UTC)", "What", "Ledger"), rows), rest)


def _fingerprints(verdict: Verdict, case: Case) -> Iterator[Html]:
    """Write each agency's fingerprints in words, and its keys."""
    known: dict[tuple[AgencyId, bytes], Identity] = {}
    for bundle in verdict.bundles:
        for identity in bundle.identities:
            for one in identity.fingerprints:
                known.setdefault((identity.agency, one), identity)
    yield tag("h2", "Fingerprints", id="fingerprints")
    if not known:
        yield tag("p", "No card could be opened, so there is nothing to compare.")
        return
    yield tag(
        "p",
        "Compare them, word by word or digit by digit, with what each agency tells you by a way "
        "that you trust: in person, or by a telephone number that you know.",
    )
    for (agency, one), identity in sorted(known.items(), key=lambda item: item[0])[:_MAX_AGENCIES]:
        name = case.name(agency)
        cards = [card for card in case.cards.get(agency, []) if card.fingerprint == one]
        yield tag(
            "section",
            tag("h3", ident(agency), " ", quoted(name) if name else ""),
            tag("ol", *(tag("li", word) for word in words(one)), class_="words"),
            facts([("in digits", code(hex_groups(one))), *_keys(cards, identity)]),
        )
    if len(known) > _MAX_AGENCIES:
        yield tag("p", f"{many(len(known) - _MAX_AGENCIES, 'fingerprint')} more left out.")


def _keys(cards: list[TrustedCard], identity: Identity) -> Iterator[tuple[str, str]]:
    yield "signed for by ledger keys of your policy", "yes" if identity.by_policy else "no"
    if not cards:
        return
    newest = cards[-1]
    card, witness = newest.card, newest.witness_keys
    yield "cards here", f"{len(cards):,}; the newest is number {card.sequence:,}"
    yield "issued", join(moment(card.issued_ms), " UTC")
    yield "hash of the card", code(newest.sha256.hex())
    logs = newest.log_keys(newest.current_origin)
    if logs is not None:
        ids = (f"{one.name}+{one.key_id.hex()}" for one in (logs.ed25519_key, logs.mldsa44_key))
        yield "ledger keys", listed((code(one) for one in ids), " ")
    ids = (f"{one.name}+{one.key_id.hex()}" for one in (witness.ed25519_key, witness.mldsa44_key))
    yield "witness keys", listed((code(one) for one in ids), " ")
    seals = (code(EcdsaVerifier(one.spki).key_id.hex()) for one in card.seal_keys)
    yield "sealing keys", listed(seals, " ")
