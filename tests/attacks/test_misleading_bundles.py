"""Bundles by owners who sign what they like, and claim in words what their signatures do not."""

from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import Selection
from sesn_node.audit.checks_cards import CardBook
from sesn_node.audit.checks_heads import Head, HeadBook
from sesn_node.audit.codes import Code
from sesn_node.audit.records import Disclosure
from sesn_node.audit.verdict import State
from sesn_node.audit.verify import verify
from sesn_node.cli.exits import ExitCode
from sesn_node.crypto.signing import EcdsaVerifier
from sesn_node.domain.entries import EntryKind, PeerCode
from sesn_node.domain.times import DAY_MS, HOUR_MS
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.policyfile import parse_policy
from sesn_node.trust.card import TrustedCard
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header, encode_header
from tests.support.bundling import Draft
from tests.support.commands import sesn
from tests.support.homes import BE, GH, NL
from tests.support.scribes import SEED_OF_AN_IMPOSTOR, Scribe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sesn_node.audit.verdict import Verdict
    from sesn_node.ledger.policy import Policy
    from tests.support.scribes import Letter


def _pair() -> tuple[Scribe, Scribe]:
    """Two agencies; one message is delivered."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    gh.trust(nl)
    nl.deliver(gh, [nl.share(gh)])
    return nl, gh


def _audit(*drafts: Draft, policy: Policy | None = None) -> Verdict:
    return verify([BytesIO(draft.write()) for draft in drafts], policy)


def _found(verdict: Verdict) -> set[tuple[int, Code]]:
    return {(check.number, one.code) for check in verdict.checks for one in check.findings}


# Witnesses.


def test_nobody_is_a_witness_of_itself() -> None:
    """One policy names every agency of an audit, so each bundle's maker is among the witnesses."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    head = nl.checkpoint()
    nl.cosignatures[head.origin, head.size] = {NL: nl.cosign(head)}
    policy = _policy(nl, gh)
    assert (9, Code.NO_QUORUM) in _found(_audit(Draft.of(nl), policy=policy))
    nl.cosignatures[head.origin, head.size] = {GH: gh.cosign(head)}
    assert _audit(Draft.of(nl), policy=policy).holds


def test_an_older_witness_key_of_its_own_is_its_own_as_well() -> None:
    """The policy still names the key that the agency has replaced."""
    nl, gh = Scribe(NL), Scribe(GH)
    policy = _policy(nl, gh)
    other = Scribe(NL, SEED_OF_AN_IMPOSTOR)
    nl.trust(gh)
    old = nl.witness
    nl.next_card(witness=other.card.card.witness)
    head = nl.checkpoint()
    nl.witness = old
    nl.cosignatures[head.origin, head.size] = {NL: nl.cosign(head)}
    assert (9, Code.NO_QUORUM) in _found(_audit(Draft.of(nl), policy=policy))


def _policy(*scribes: Scribe, logs: Sequence[Scribe] = ()) -> Policy:
    """Ask for any one of several agencies; take only some ledgers."""
    lines, groups = [], []
    for scribe in logs:
        log = scribe.card.log_keys(scribe.book.origin)
        assert log is not None
        lines += [f"log {key.vkey()}" for key in (log.ed25519_key, log.mldsa44_key)]
    for number, scribe in enumerate(scribes):
        keys = scribe.card.witness_keys
        lines += [
            f"witness e{number} {keys.ed25519_key.vkey()}",
            f"witness m{number} {keys.mldsa44_key.vkey()}",
            f"group g{number} all e{number} m{number}",
        ]
        groups.append(f"g{number}")
    lines += [f"group some any {' '.join(groups)}", "quorum some"]
    return parse_policy(("\n".join(lines) + "\n").encode())


# Selections.


def _without(draft: Draft, letter: Letter, *, entries: bool = True) -> None:
    """Leave a message out of a bundle, and what the ledger says of it."""
    draft.messages = [one for one in draft.messages if one.header != letter.data]
    if entries:
        ledger = draft.ledgers[0]
        ledger.entries = [
            one for one in ledger.entries if decode_entry(one.entry).message_id != letter.message_id
        ]


@pytest.fixture
def hidden() -> tuple[Scribe, Scribe, Letter]:
    """Three messages, an hour apart, were delivered; the second shall not be known."""
    nl, gh = _pair()
    letters = []
    for _ in range(2):
        nl.now_ms += HOUR_MS
        letters.append(nl.share(gh))
        nl.deliver(gh, letters[-1:])
    return nl, gh, letters[0]


def _spans(nl: Scribe) -> list[Selection]:
    return [
        Selection(from_ms=1),
        Selection(to_ms=nl.now_ms + DAY_MS),
        Selection(from_ms=1, to_ms=nl.now_ms + DAY_MS),
    ]


def test_a_span_of_time_excuses_nothing_within_it(hidden: tuple[Scribe, Scribe, Letter]) -> None:
    """Entries before and behind are dated within the span, so those between them are, too."""
    nl, gh, letter = hidden
    for selection in _spans(nl):
        draft = Draft.of(nl, selection=selection)
        assert _audit(draft, Draft.of(gh)).holds
        _without(draft, letter)
        assert (5, Code.ENTRY_MISSING) in _found(_audit(draft, Draft.of(gh)))


def test_a_span_of_time_has_the_messages_of_its_entries(
    hidden: tuple[Scribe, Scribe, Letter],
) -> None:
    """On both sides: an entry of that date without its message is no selection."""
    nl, gh, letter = hidden
    for selection in _spans(nl):
        sent, received = (Draft.of(one, selection=selection) for one in (nl, gh))
        _without(sent, letter, entries=False)
        _without(received, letter, entries=False)
        found = _found(_audit(sent, received))
        assert {(10, Code.MESSAGE_MISSING), (13, Code.MESSAGE_MISSING)} <= found


def test_the_newest_entries_belong_to_a_span_that_is_open(
    hidden: tuple[Scribe, Scribe, Letter],
) -> None:
    """The bundle is as new as it says, and so is the end of the span."""
    nl, _, _ = hidden
    for selection in (Selection(from_ms=1), Selection(to_ms=nl.now_ms + DAY_MS)):
        draft = Draft.of(nl, selection=selection)
        last = list(nl.sent.values())[-1]
        _without(draft, last)
        assert (5, Code.ENTRY_MISSING) in _found(_audit(draft))


def test_what_lies_outside_a_span_may_be_left_out(hidden: tuple[Scribe, Scribe, Letter]) -> None:
    """And what was dated within a few minutes of its ends: clocks differ."""
    nl, gh, letter = hidden
    at_ms = letter.header.created_ms
    for selection in (
        Selection(from_ms=at_ms + 60_000),
        Selection(from_ms=at_ms - 60_000),
        Selection(to_ms=at_ms - 60_000),
        Selection(to_ms=at_ms + 60_000),
    ):
        draft = Draft.of(nl, selection=selection)
        for one in nl.sent.values():
            inside = (selection.from_ms or 0) <= one.header.created_ms
            inside = inside and one.header.created_ms < (selection.to_ms or 2**62)
            if not inside or one is letter:
                _without(draft, one)
        assert _found(_audit(draft)) == set()
    assert gh.received


def test_what_a_later_ledger_says_again_was_written_before() -> None:
    """Its entry is dated within the span, and its message is not: that is no gap."""
    nl, gh = _pair()
    letter = nl.share(gh)
    nl.new_epoch()
    nl.now_ms += DAY_MS
    begin_ms = nl.now_ms
    nl.now_ms += HOUR_MS
    nl.about(EntryKind.SHARED, letter)
    nl.deliver(gh, [nl.share(gh)])
    draft = Draft.of(nl, selection=Selection(from_ms=begin_ms))
    draft.ledgers[0].entries = [
        one for one in draft.ledgers[0].entries if decode_entry(one.entry).message_id is None
    ]
    written = [one for one in draft.messages if decode_header(one.header).created_ms >= begin_ms]
    draft.messages = written
    assert _found(_audit(draft)) == set()
    draft.messages = []
    assert (10, Code.MESSAGE_MISSING) in _found(_audit(draft))


def test_what_was_asked_for_by_its_id_is_there(hidden: tuple[Scribe, Scribe, Letter]) -> None:
    """The manifest says so, and nothing else narrows it."""
    nl, _, letter = hidden
    draft = Draft.of(nl, selection=Selection(messages=(letter.message_id,)))
    assert _audit(draft).holds
    _without(draft, letter)
    assert (1, Code.INCOMPLETE) in _found(_audit(draft))


def test_a_message_that_is_in_no_ledger_is_not_said_to_hold() -> None:
    """Without entries nothing shows that a message was ever shared, whatever seals it."""
    nl, gh = _pair()
    draft = Draft.of(nl, selection=Selection(blind=True))
    draft.ledgers[0].entries = []
    other = Scribe(NL)
    other.trust(gh)
    other.draw(1)
    letter = other.share(gh, payload=b"never shared")
    (invented,) = (one for one in other.bundle_messages() if one.header == letter.data)
    draft.messages.append(replace(invented, entry_index=3))
    verdict = _audit(draft)
    states = {check.name: check.state for check in verdict.bundles[0].checks}
    assert states["sent"] is State.NOT_MADE
    assert states["received"] is states["endings"] is State.NOT_MADE


# Time.


def test_a_bundle_of_yesterday_that_is_dated_today() -> None:
    """Its maker signed more since, which a partner keeps, with the time."""
    nl, gh = _pair()
    yesterday = Draft.of(nl)
    nl.now_ms += DAY_MS
    nl.deliver(gh, [nl.share(gh)])
    theirs = Draft.of(gh)
    assert _audit(yesterday, theirs).holds
    yesterday.created_ms = nl.now_ms + HOUR_MS
    assert (18, Code.INCOMPLETE) in _found(_audit(yesterday, theirs))


def test_a_newer_ledger_that_is_hidden() -> None:
    """Its maker shows the closed one alone, first with the card that names both, then without."""
    nl, gh = _pair()
    nl.new_epoch()
    gh.keep_card(nl.card)
    nl.deliver(gh, [nl.share(gh)])
    assert _audit(Draft.of(nl), Draft.of(gh)).holds
    draft = Draft.of(nl, created_ms=nl.now_ms + HOUR_MS)
    del draft.ledgers[1:]
    (shown,) = (ledger.origin for ledger in draft.ledgers)
    draft.messages = [one for one in draft.messages if one.origin == shown]
    draft.checkpoints = [one for one in draft.checkpoints if one.origin in {shown, gh.book.origin}]
    assert (6, Code.INCOMPLETE) in _found(_audit(draft))
    draft.cards = [one for one in draft.cards if one.sealed != nl.card.sealed]
    assert (18, Code.INCOMPLETE) in _found(_audit(draft, Draft.of(gh)))


def test_nothing_is_shown_after_it_was_erased() -> None:
    """Whoever shows it has kept it, whatever the ledger says."""
    nl, _ = _pair()
    letter = next(iter(nl.sent.values()))
    nl.about(EntryKind.ERASED, letter, answers=letter.shared, code="OPERATOR")
    nl.erased.add(letter.shared)
    nl.checkpoint()
    assert _audit(Draft.of(nl)).holds
    for kind in (EntryKind.VIEWED, EntryKind.DISCLOSED):
        nl.about(kind, letter, answers=letter.shared)
    nl.checkpoint()
    draft = Draft.of(nl, selection=Selection(disclosed=(letter.message_id,)))
    draft.disclosed = [Disclosure(NL, letter.message_id, letter.salt, letter.payload)]
    assert _found(_audit(draft)) >= {(14, Code.ERASED_CONTRADICTED), (15, Code.NOT_RECORDED)}


# Roots.


def test_nobody_excuses_a_second_root_of_its_own() -> None:
    """An agency that says it revoked itself."""
    nl, _ = _pair()
    nl.append(EntryKind.PEER, nl.card.sha256, agency=NL, code=PeerCode.REVOKED.value)
    nl.keep_card(Scribe(NL, SEED_OF_AN_IMPOSTOR).card)
    nl.checkpoint()
    assert (2, Code.ROOT_CHANGED) in _found(_audit(Draft.of(nl)))


def test_receipts_of_a_partner_under_a_root_that_it_does_not_have() -> None:
    """Its trust in the true root was revoked, it says; the invented ledger is longer than the true.

    So nothing that it invents stands where the partner's bundle has something else.
    """
    nl, gh = _pair()
    invented = _replaced_partner(nl, gh)
    for _ in range(30):
        invented.append(EntryKind.KEY, bytes(32), code="KEY_ROTATED")
    nl.deliver(invented, [nl.share(invented)])
    assert _audit(Draft.of(nl)).holds  # By itself: the fingerprints are shown.
    assert (19, Code.ROOT_CHANGED) in _found(_audit(Draft.of(nl), Draft.of(gh)))


def test_another_root_of_a_third_agency_is_remarked_on() -> None:
    """Nobody here is that agency; one of the two may have revoked its trust in the first root."""
    nl, gh = _pair()
    be = Scribe(BE)
    nl.trust(be)
    gh.trust(be)
    _replaced_partner(nl, be)
    verdict = _audit(Draft.of(nl), Draft.of(gh))
    check = next(one for one in verdict.matching if one.name == "identities")
    assert Code.ROOT_CHANGED in {one.code for one in check.remarks}


def test_an_invented_history_frames_nobody() -> None:
    """Keys under another root signed it, which proves no fork of the agency whose name they use."""
    nl, gh = _pair()
    invented = _replaced_partner(nl, gh)
    while len(invented.book.entries) < len(gh.book.entries):
        invented.append(EntryKind.KEY, bytes(32), code="KEY_ROTATED")
    head = invented.checkpoint()
    alone = Draft.of(nl)
    other = replace(alone.checkpoints[0], note=invented.notes[head.origin, head.size])
    assert (other.origin, other.size) == (head.origin, head.size)
    alone.checkpoints[:1] = sorted(
        (alone.checkpoints[0], replace(other, cosignatures=())), key=lambda one: one.note
    )
    assert Code.FORK not in {code for _, code in _found(_audit(alone))}
    assert Code.FORK not in {code for _, code in _found(_audit(alone, Draft.of(gh)))}
    # The partner's own keys prove it, as before.
    forked = Draft.of(nl)
    mine = replace(forked.checkpoints[0], note=gh.sign(_other_head(head)), cosignatures=())
    forked.checkpoints[:1] = sorted((forked.checkpoints[0], mine), key=lambda one: one.note)
    assert (7, Code.FORK) in _found(_audit(forked))


def test_a_card_that_lists_the_keys_of_a_policy_is_not_known_by_them() -> None:
    """Such keys are public: an invented partner lists those of the true one beside its own."""
    nl, be, gh = Scribe(NL), Scribe(BE), Scribe(GH)
    invented = Scribe(GH, SEED_OF_AN_IMPOSTOR)
    nl.trust(be)
    be.trust(nl)
    nl.trust(invented)
    invented.trust(nl)
    nl.deliver(invented, [nl.share(invented)])
    invented.next_card(ledgers=(*invented.card.card.ledgers, gh.key_set(1)))
    nl.now_ms = invented.now_ms
    nl.keep_card(invented.card)
    nl.deliver(be, [nl.share(be)])
    policy = _policy(be, logs=(nl, be, gh))
    verdict = _audit(Draft.of(nl), policy=policy)
    assert verdict.holds  # Provided that the fingerprints are theirs.
    shown = {one.agency: one.by_policy for one in verdict.bundles[0].identities}
    assert shown == {NL: True, BE: False, GH: False}
    # A bundle of its own shows whose keys signed for its card; then others' bundles need not.
    both = _audit(Draft.of(nl), Draft.of(be), policy=_policy(be, gh, nl, logs=(nl, be)))
    assert [
        {one.agency: one.by_policy for one in bundle.identities} for bundle in both.bundles
    ] == [{NL: True, BE: True, GH: False}, {BE: True, NL: True}]


def test_keys_of_a_policy_sign_for_the_card_that_their_ledger_tells_of() -> None:
    """Entries that are left out tell of no card, and neither does a ledger of another card."""
    nl, gh = _pair()
    policy = _policy(gh, logs=(nl,))
    (identity, _) = _audit(Draft.of(nl), policy=policy).bundles[0].identities
    assert identity.by_policy
    blind = Draft.of(nl, selection=Selection(blind=True))
    blind.ledgers[0].entries = []
    (identity, _) = _audit(blind, policy=policy).bundles[0].identities
    assert not identity.by_policy
    stranger = _policy(gh, logs=(Scribe(NL, SEED_OF_AN_IMPOSTOR),))
    (identity, _) = _audit(Draft.of(nl), policy=stranger).bundles[0].identities
    assert not identity.by_policy


def _other_head(head: TreeHead) -> TreeHead:
    return replace(head, root=bytes(32))


def _replaced_partner(nl: Scribe, partner: Scribe) -> Scribe:
    """Revoke a partner, and trust somebody else by its name."""
    invented = Scribe(partner.agency, SEED_OF_AN_IMPOSTOR)
    revoked = PeerCode.REVOKED.value
    nl.append(EntryKind.PEER, partner.card.sha256, agency=partner.agency, code=revoked)
    nl.trust(invented)
    invented.trust(nl)
    return invented


# Work.


def test_keys_are_found_without_looking_through_all_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that name keys of no card cost the same, however many cards there are."""
    nl, _ = _pair()
    for _ in range(20):
        nl.next_card()
    nl.checkpoint()
    draft = Draft.of(nl)
    header = decode_header(draft.messages[0].header)
    strange = [
        encode_header(replace(header, seal_key_id=bytes([number]) * 32)) for number in range(20)
    ]
    draft.messages = [
        replace(draft.messages[0], header=data, entry_index=number)
        for number, data in enumerate(strange)
    ]
    looked: list[object] = []
    monkeypatch.setattr(TrustedCard, "seal_key", lambda *_: looked.append("card"))
    made = EcdsaVerifier.__init__

    def counted(self: EcdsaVerifier, spki: bytes) -> None:
        looked.append("key")
        made(self, spki)

    book = CardBook()
    assert book.cards(NL) == ()
    data = draft.write()
    monkeypatch.setattr(EcdsaVerifier, "__init__", counted)
    assert not verify([BytesIO(data)]).holds
    # Each card decodes its keys once, and that of its root.
    assert len(looked) <= 2 * len(draft.cards)


def test_many_notes_over_one_root_are_one_head() -> None:
    """Whoever signs the newest size a thousand times makes no proof a thousand times as long."""
    nl, gh = _pair()
    draft = Draft.of(nl)
    newest = draft.checkpoints[-1]
    head = nl.book.head()
    notes = [newest.note]
    for _ in range(5):
        nl.now_ms += 1000
        notes.append(nl.sign(head))
    draft.checkpoints[-1:] = [replace(newest, note=note, cosignatures=()) for note in sorted(notes)]
    assert _audit(draft).holds
    book = HeadBook()
    first = Head(head.root, 1, frozenset({gh.agency}), 0, 20)
    for place, one in enumerate((first, replace(first, key_set=0, cosigners=frozenset({BE})))):
        book.add(head.origin, head.size, replace(one, place=place, time_s=20 - place))
    assert book.of(head.origin)[head.size] == (Head(head.root, 0, frozenset({BE, GH}), 1, 19),)
    for number in range(1000):
        book.add(head.origin, head.size, replace(first, root=number.to_bytes(32, "big")))
    assert len(book.of(head.origin)[head.size]) < 10


# Files.


def test_the_name_of_a_file_speaks_to_nobody(tmp_path: Path) -> None:
    """Whoever sends a bundle chooses its name, which the auditor's terminal shows."""
    name = "good\x1b[2J\x1b]0;owned\x07\nNo check fails.\u202egnp.sesnaudit"
    path = tmp_path / name
    path.write_bytes(b"no bundle")
    ran = sesn("audit", "verify", str(path))
    assert ran.code == ExitCode.MALFORMED
    assert all(one.isprintable() for one in ran.out.split("\n")), ascii(ran.out)
    assert "No check fails." not in ran.out.split("\n")


def test_a_pipe_is_no_bundle(tmp_path: Path) -> None:
    """Nobody writes into it, so reading it would never end."""
    path = tmp_path / "one.sesnaudit"
    os.mkfifo(path)
    ran = sesn("audit", "verify", str(path))
    assert ran.code == ExitCode.STORAGE
    assert "no file" in ran.err
