"""What the owner of a ledger can do: it signs whatever it likes, with its own keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sesn_node.audit import subjects
from sesn_node.audit.account import RecoveredRange
from sesn_node.audit.codes import Code
from sesn_node.audit.records import TimestampToken
from sesn_node.crypto.primitives import sha256
from sesn_node.domain.entries import EntryKind, EntryRef, KeyCode
from sesn_node.domain.ids import AgencyId, ledger_origin
from sesn_node.ledger.checkpoint import parse_checkpoint
from sesn_node.ledger.cosignature import WitnessKeys
from sesn_node.ledger.head import TreeHead, checkpoint_text
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.trust.card import issue_card, open_card
from sesn_node.wire.entries import decode_entry, encode_entry
from tests.support.bundling import Draft
from tests.support.homes import GH, NL
from tests.support.scribes import SEED_OF_AN_IMPOSTOR, Book, Scribe
from tests.support.tsa import Certified, Tsa
from tests.vectors.tamper.world import World, enter


def history_rewritten(world: World, index: int = 2) -> None:
    """Replace an entry of the Dutch ledger, and sign what comes of it."""
    nl = world.nl
    old = nl.books.pop()
    data = list(old.entries)
    data[index] = encode_entry(replace(decode_entry(data[index]), salt=sha256(b"another")))
    book = Book(old.origin)
    nl.books.append(book)
    for one in data:
        book.append(one)
    del nl.notes[book.origin, len(book.entries)]
    nl.checkpoint()


@enter(subjects.TREE, Code.NOT_A_PREFIX)
def a_rewritten_history(world: World) -> Draft:
    """An entry is replaced after a partner cosigned it, and the newest head is signed anew."""
    history_rewritten(world)
    return world.draft()


@enter(subjects.CHECKPOINTS, Code.FORK)
def two_heads_of_one_size(world: World) -> Draft:
    """Two signed checkpoints of one size, with different roots."""
    draft = world.draft()
    newest = draft.checkpoints[-1]
    assert newest.origin == world.nl.book.origin
    history_rewritten(world)
    other = world.nl.notes[newest.origin, newest.size]
    both = sorted((newest, replace(newest, note=other)), key=lambda one: one.note)
    draft.checkpoints[-1:] = both
    return draft


@enter(subjects.PARTNERS, Code.FORK)
def a_partner_that_forked(world: World) -> Draft:
    """Two signed checkpoints of a partner, of one size, with different roots."""
    draft = world.draft()
    first = draft.checkpoints[0]
    assert first.origin == world.gh.book.origin
    head = TreeHead(first.origin, first.size, sha256(b"another root"))
    other = replace(first, note=world.gh.sign(head), cosignatures=())
    draft.checkpoints[:1] = sorted((first, other), key=lambda one: one.note)
    return draft


@enter(subjects.CHECKPOINTS, Code.KEYS_NOT_IN_FORCE)
def a_checkpoint_by_replaced_keys(world: World) -> Draft:
    """The newest checkpoint is signed by keys that the ledger had replaced."""
    old = world.nl.log
    world.nl.rotate_log()
    world.nl.share(world.gh)
    world.nl.log = old
    world.nl.checkpoint()
    return world.draft()


@enter(subjects.CHECKPOINTS, Code.CHECKPOINT_INVALID, quiet=True)
def a_checkpoint_by_a_stranger(world: World) -> Draft:
    """The newest checkpoint is signed by keys that no card lists."""
    world.nl.share(world.gh)
    world.nl.log = Scribe(NL, SEED_OF_AN_IMPOSTOR, world.freezer).log
    world.nl.checkpoint()
    return world.draft()


@enter(subjects.CARDS, Code.CARD_FORK, quiet=True)
def two_cards_of_one_place(world: World) -> Draft:
    """The root sealed two second cards."""
    nl = world.nl
    first = nl.card
    nl.next_card()
    nl.card = first
    nl.next_card(name="Agency of another name")
    nl.checkpoint()
    return world.draft()


@enter(subjects.CARDS, Code.CARD_KEYS_CHANGED, quiet=True)
def a_card_that_drops_ledger_keys(world: World) -> Draft:
    """A later card lists other keys of the ledger, in the place of those before."""
    nl = world.nl
    other = Scribe(NL, SEED_OF_AN_IMPOSTOR, world.freezer)
    nl.log = other.log
    nl.next_card(ledgers=other.card.card.ledgers)
    nl.checkpoint()
    return world.draft()


@enter(subjects.CARDS, Code.CARD_MISSING, quiet=True)
def a_card_that_is_not_shown(world: World) -> Draft:
    """The ledger says that a card was issued, and the bundle does not have it."""
    world.nl.append(EntryKind.KEY, sha256(b"a card"), code=KeyCode.CARD_ISSUED.value)
    world.nl.checkpoint()
    return world.draft()


@enter(subjects.CARDS, Code.ROOT_CHANGED, quiet=True)
def a_partner_with_two_roots(world: World) -> Draft:
    """A second root of a partner, which may be the owner's own make."""
    world.nl.trust(Scribe(GH, SEED_OF_AN_IMPOSTOR, world.freezer))
    return world.draft()


@enter(subjects.CARDS, Code.KEY_COPIED, quiet=True)
def a_key_of_a_partner_in_our_card(world: World) -> Draft:
    """Our card lists the partner's key as a witness."""
    keys = world.gh.card.card.witness
    world.nl.next_card(witness=replace(keys, name=world.nl.card.card.witness.name))
    world.nl.checkpoint()
    return world.draft()


@enter(subjects.ENTRIES, Code.ENTRY_MALFORMED, quiet=True)
def an_entry_that_does_not_read(world: World) -> Draft:
    """Bytes that are no entry, hashed and signed."""
    world.nl.book.append(b"no entry")
    world.nl.checkpoint()
    return world.draft()


@enter(subjects.LOSSES, Code.NOT_RECORDED)
def a_loss_that_the_ledger_does_not_record(world: World) -> Draft:
    """A message is left out, and the manifest says that it was lost."""
    draft = world.draft()
    del draft.messages[world.place(world.delivered)]
    at = world.delivered.shared.index
    draft.ledgers[0].recovered = (RecoveredRange(at, at + 1),)
    return draft


@enter(subjects.EPOCHS, Code.FIRST_ENTRY, quiet=True)
def a_ledger_that_begins_with_a_message(world: World) -> Draft:
    """The first entry is not about our card."""
    data = world.nl.book.entries
    data[0], data[2] = data[2], data[0]
    history_rewritten(world, 1)
    return world.draft()


@enter(subjects.EPOCHS, Code.EPOCH_BROKEN, quiet=True)
def an_epoch_that_names_another_root(world: World) -> Draft:
    """The second ledger does not go on from the first."""
    nl = world.nl
    head = nl.checkpoint()
    last = EntryRef(head.origin, head.size - 1, leaf_hash(nl.book.entries[-1]))
    begin_again(world)
    nl.append(EntryKind.EPOCH, sha256(b"another root"), answers=last)
    nl.next_card(ledgers=(*nl.card.card.ledgers, nl.key_set(2)))
    nl.checkpoint()
    return world.draft()


@enter(subjects.EPOCHS, Code.EPOCH_BROKEN, quiet=True)
def a_second_ledger_that_names_none(world: World) -> Draft:
    """The second ledger does not say which one it goes on from."""
    begin_again(world)
    world.nl.next_card(ledgers=(*world.nl.card.card.ledgers, world.nl.key_set(2)))
    world.nl.checkpoint()
    return world.draft()


def begin_again(world: World) -> None:
    """Begin a second Dutch ledger, which is empty."""
    nl = world.nl
    nl.epoch = 2
    nl.log = Scribe(NL, SEED_OF_AN_IMPOSTOR, world.freezer).log
    nl.books.append(Book(ledger_origin(NL, 2)))


@enter(subjects.SENT, Code.SEAL_INVALID, quiet=True)
def a_seal_by_a_key_that_was_not_in_force(world: World) -> Draft:
    """A message of years ago, sealed by a key of today."""
    nl = world.nl
    now_ms = nl.now_ms
    nl.now_ms -= 365 * 86_400_000
    letter = nl.share(world.gh)
    nl.now_ms = now_ms
    assert letter.header.created_ms < now_ms
    nl.checkpoint()
    return world.draft()


@enter(subjects.RECEIPTS, Code.NOT_ACKNOWLEDGED, quiet=True)
def a_receipt_that_the_ledger_does_not_acknowledge(world: World) -> Draft:
    """The receipt is there, and the ledger has no entry of it."""
    nl, gh = world.nl, world.gh
    letter = nl.share(gh)
    size = len(nl.book.entries)
    nl.deliver(gh, [letter])
    book = Book(nl.book.origin)
    for one in nl.book.entries[:size]:
        book.append(one)
    nl.books[-1] = book
    return world.draft()


@enter(subjects.RECEIPTS, Code.ANSWERS_NOTHING)
def a_receipt_acknowledged_twice(world: World) -> Draft:
    """Two ACKNOWLEDGED entries of one copy."""
    nl = world.nl
    ref = next(ref for ref, letter, _ in world.gh.received if letter is world.delivered)
    nl.about(EntryKind.ACKNOWLEDGED, world.delivered, answers=ref, agency=GH)
    nl.checkpoint()
    return world.draft()


@enter(subjects.ENDINGS, Code.CONTRADICTION, quiet=True)
def a_copy_that_ended_twice(world: World) -> Draft:
    """A refused copy is given up besides."""
    nl, letter = world.nl, world.refused
    nl.about(EntryKind.UNDELIVERED, letter, answers=letter.shared, agency=GH, code="EXPIRED")
    nl.checkpoint()
    return world.draft()


@enter(subjects.RECEIVED, Code.TIME_IMPLAUSIBLE, quiet=True)
def an_arrival_before_its_message(world: World) -> Draft:
    """Our clock was a day behind, and so is our entry."""
    nl, gh = world.nl, world.gh
    gh.now_ms += 86_400_000
    letter = gh.share(nl)
    nl.lag_ms = 86_400_000
    gh.deliver(nl, [letter])
    return world.draft()


@enter(subjects.RECEIVED, Code.NOT_RECEIVED)
def an_arrival_that_answers_another_entry(world: World) -> Draft:
    """Our RECEIVED entry answers an entry of the sender that is not its SHARED."""
    nl = world.nl
    _, letter, received = nl.received.pop()
    other = replace(letter.shared, index=letter.shared.index - 1)
    ref = nl.about(EntryKind.RECEIVED, letter, answers=other, agency=GH)
    nl.received.append((ref, letter, replace(received, received_ms=nl.now_ms)))
    nl.checkpoint()
    return world.draft()


@enter(subjects.ACTS, Code.ANSWERS_NOTHING, quiet=True)
def a_view_of_another_message(world: World) -> Draft:
    """The entry names one message, and answers the entry of another."""
    nl = world.nl
    nl.about(EntryKind.VIEWED, world.waiting, answers=world.refused.shared)
    nl.checkpoint()
    return world.draft()


@enter(subjects.ACTS, Code.ANSWERS_NOTHING, quiet=True)
def a_view_that_answers_no_entry(world: World) -> Draft:
    """The leaf hash that it answers is nowhere."""
    nl, shared = world.nl, world.waiting.shared
    nl.about(EntryKind.VIEWED, world.waiting, answers=replace(shared, leaf_hash=sha256(b"nowhere")))
    nl.checkpoint()
    return world.draft()


@enter(subjects.ACTS, Code.ERASED_CONTRADICTED, quiet=True)
def an_erased_message_said_to_be_there(world: World) -> Draft:
    """The ledger says that it is erased, and the message does not."""
    nl, letter = world.nl, world.waiting
    nl.about(EntryKind.ERASED, letter, answers=letter.shared, code="OPERATOR")
    nl.checkpoint()
    return world.draft()


@enter(subjects.SENT, Code.MESSAGE_TWICE, quiet=True)
def a_message_shared_twice(world: World) -> Draft:
    """Two SHARED entries of one message."""
    nl, letter = world.nl, world.waiting
    again = nl.about(EntryKind.SHARED, letter)
    nl.sent[b"again"] = replace(letter, shared=again)
    nl.checkpoint()
    return world.draft()


# What an auditor's policy finds.


def policy_of(world: World, *, log: bool = False, witness: AgencyId = GH) -> str:
    """Write a policy that asks for both signatures of one witness."""
    scribe = {GH: world.gh, NL: world.nl}[witness]
    keys: WitnessKeys = scribe.card.witness_keys
    lines = [
        f"witness one {keys.ed25519_key.vkey()}",
        f"witness two {keys.mldsa44_key.vkey()}",
        "group both all one two",
        "quorum both",
    ]
    if log:
        log_keys = world.gh.card.log_keys(world.gh.book.origin)
        assert log_keys is not None
        lines.insert(0, f"log {log_keys.ed25519_key.vkey()}")
    return "\n".join(lines) + "\n"


@enter(subjects.QUORUM, Code.NO_QUORUM, policy_of)
def the_witness_of_the_policy_missing(world: World) -> Draft:
    """No cosignature of the witness that the policy asks for; the receipts are gone with them."""
    draft = world.draft()
    draft.checkpoints = [replace(one, cosignatures=()) for one in draft.checkpoints]
    return draft


@enter(subjects.QUORUM, Code.NO_QUORUM, lambda world: policy_of(world, witness=NL))
def another_witness_than_the_policys(world: World) -> Draft:
    """The bundle is whole, and its witness is not one that the policy asks for."""
    return world.draft()


@enter(subjects.QUORUM, Code.UNKNOWN_LOG, lambda world: policy_of(world, log=True))
def a_ledger_that_the_policy_does_not_list(world: World) -> Draft:
    """The bundle is whole, and the policy lists another ledger."""
    return world.draft()


@enter(subjects.QUORUM, Code.POLICY_SIGNATURE, policy_of, quiet=True)
def a_broken_signature_of_the_policys_witness(world: World) -> Draft:
    """A line by a key that the policy lists, which does not verify, in the note itself."""
    draft = world.draft()
    newest = draft.checkpoints[-1]
    other = TreeHead(newest.origin, newest.size, sha256(b"another root"))
    draft.checkpoints[-1] = replace(newest, note=newest.note + world.gh.cosign(other))
    return draft


@enter(subjects.TIMESTAMPS, Code.TIMESTAMP_INVALID, quiet=True)
def a_time_stamp_of_another_root(world: World) -> Draft:
    """A token over a root that this ledger never had."""
    draft = world.draft()
    newest = draft.checkpoints[-1]
    draft.timestamps = [
        TimestampToken(newest.origin, newest.size, sha256(b"another root"), b"a token")
    ]
    return draft


def _stamped_by(world: World, tsa: Tsa, text: bytes | None = None) -> Draft:
    """Have the newest checkpoint of the Dutch bundle time-stamped; or something else."""
    draft = world.draft()
    newest = draft.checkpoints[-1]
    head = parse_checkpoint(newest.note).claimed
    token = world.stamped(tsa, checkpoint_text(head).encode() if text is None else text)
    draft.timestamps = [TimestampToken(newest.origin, newest.size, head.root, token)]
    return draft


def _roots(world: World) -> str:
    return world.authority("Clock").root.pem.decode("ascii")


@enter(subjects.TIMESTAMPS, Code.TIMESTAMP_INVALID, quiet=True)
def a_time_stamp_over_something_else(world: World) -> Draft:
    """A genuine token that is over another text; nobody's roots are needed to see that."""
    return _stamped_by(world, world.authority("Clock"), b"another text")


@enter(subjects.TIMESTAMPS, Code.TIMESTAMP_INVALID, roots=_roots, quiet=True)
def a_time_stamp_by_a_stranger(world: World) -> Draft:
    """A token by an authority under a root that the auditor does not trust."""
    return _stamped_by(world, world.authority("Stranger"))


@enter(subjects.TIMESTAMPS, Code.TIMESTAMP_INVALID, roots=_roots, quiet=True)
def a_forged_time_stamp(world: World) -> Draft:
    """A token that shows the certificate of a trusted authority, signed by another key."""
    honest, other = world.authority("Clock"), world.authority("Stranger")
    forger = Certified(honest.signer.certificate, other.signer.key)
    return _stamped_by(world, honest.but(signer=forger))


@enter(subjects.TIMESTAMPS, Code.TIMESTAMP_INVALID, roots=_roots, quiet=True)
def entries_dated_after_their_time_stamp(world: World) -> Draft:
    """A genuine token of the day before: these entries existed then, and are dated later."""
    tsa = world.authority("Clock")
    return _stamped_by(world, tsa.but(at=tsa.at - timedelta(days=1)))


# Two bundles.


@enter(subjects.ONE_HISTORY, Code.FORK, quiet=True)
def two_histories_for_two_auditors(world: World) -> list[Draft]:
    """One agency gives two bundles, of which each holds by itself."""
    one, other = world, world.fresh()
    for who in (one, other):
        for scribe in (who.nl, who.gh):
            scribe.cosignatures.clear()
        who.nl.sent.clear()
        who.nl.received.clear()
        del who.nl.book.entries[2:]
        data = list(who.nl.book.entries)
        who.nl.books[-1] = Book(who.nl.book.origin)
        for entry in data:
            who.nl.book.append(entry)
        who.nl.notes = {key: note for key, note in who.nl.notes.items() if key[1] <= 2}
    one.nl.share(one.gh)
    one.nl.checkpoint()
    other.nl.draw(1)
    other.nl.share(other.gh)
    other.nl.checkpoint()
    return [one.draft(), other.draft()]


@enter(subjects.KEPT_BY_PARTNERS, Code.FORK)
def a_history_that_a_partner_knows_otherwise(world: World) -> list[Draft]:
    """The Dutch history is written anew, without what the partner signed; the partner has it."""
    theirs = Draft.of(world.gh)
    other = world.fresh()
    other.nl.draw(1)
    _without_partner(other)
    other.nl.share(other.gh)
    other.nl.share(other.gh)
    other.nl.share(other.gh)
    other.nl.checkpoint()
    return [other.draft(), theirs]


@enter(subjects.DELIVERIES, Code.DELIVERY_MISSING)
def an_arrival_that_was_removed(world: World) -> list[Draft]:
    """The recipient gave its receipt, and shows a ledger without the arrival."""
    ours = world.draft()
    other = world.fresh()
    gh = other.gh
    gh.received.clear()
    data = list(gh.book.entries)
    gh.books[-1] = Book(gh.book.origin)
    gh.sent.clear()
    for entry in data[:2]:
        gh.book.append(entry)
    gh.notes = {key: note for key, note in gh.notes.items() if key[1] <= 2}
    gh.cosignatures.clear()
    for _ in range(4):
        gh.share(other.nl)
    gh.checkpoint()
    return [ours, Draft.of(gh)]


@enter(subjects.DELIVERIES, Code.DELIVERY_MISSING)
def a_message_that_its_sender_hides(world: World) -> list[Draft]:
    """The recipient received it, and the sender's bundle leaves it out."""
    theirs = Draft.of(world.gh)
    ours = world.draft()
    del ours.messages[world.place(world.delivered)]
    return [ours, theirs]


@enter(subjects.OUTCOMES, Code.DELIVERY_DIFFERS, quiet=True)
def a_refusal_that_was_none(world: World) -> list[Draft]:
    """The sender says that it was refused; the recipient received it."""
    gh = world.gh
    gh.about(EntryKind.RECEIVED, world.refused, answers=world.refused.shared, agency=NL)
    gh.checkpoint()
    return [world.draft(), Draft.of(gh)]


@enter(subjects.OUTCOMES, Code.DELIVERY_DIFFERS, quiet=True)
def a_refusal_for_another_reason(world: World) -> list[Draft]:
    """Both ledgers tell of a refusal, and give different reasons."""
    world.gh.about(EntryKind.REFUSED, world.refused, agency=NL, code="TOO_LARGE")
    world.gh.checkpoint()
    return [world.draft(), Draft.of(world.gh)]


@enter(subjects.DATES, Code.TIME_IMPLAUSIBLE, quiet=True)
def a_delivery_before_its_time(world: World) -> list[Draft]:
    """The recipient's ledger says that it received what was not yet shared."""
    gh = world.gh
    now_ms = gh.now_ms
    gh.now_ms = world.waiting.header.created_ms - 86_400_000
    gh.about(EntryKind.RECEIVED, world.waiting, answers=world.waiting.shared, agency=NL)
    gh.now_ms = now_ms
    gh.checkpoint()
    return [world.draft(), Draft.of(gh)]


@enter(subjects.IDENTITIES, Code.ROOT_CHANGED, quiet=True)
def a_partner_by_another_root(world: World) -> list[Draft]:
    """The partner's bundle is under another root than the one that we pinned."""
    other = Scribe(GH, SEED_OF_AN_IMPOSTOR, world.freezer)
    other.now_ms = world.gh.now_ms
    other.trust(world.nl)
    return [world.draft(), Draft.of(other)]


@enter(subjects.IDENTITIES, Code.CARD_FORK, quiet=True)
def a_partner_with_two_cards(world: World) -> list[Draft]:
    """The partner sealed one second card for us, and another for itself."""
    gh = world.gh
    first = gh.card
    body = replace(
        first.card,
        name="Agency of another name",
        sequence=2,
        previous_sha256=first.sha256,
        issued_ms=gh.now_ms,
    )
    shown = open_card(issue_card(body, gh.root), gh.now_ms)
    world.nl.keep_card(shown)
    gh.next_card()
    gh.checkpoint()
    return [world.draft(), Draft.of(gh)]


def _without_partner(world: World) -> None:
    nl = world.nl
    data = list(nl.book.entries)
    nl.books[-1] = Book(nl.book.origin)
    for entry in data[:2]:
        nl.book.append(entry)
    nl.notes = {key: note for key, note in nl.notes.items() if key[1] <= 2}
    nl.cosignatures.clear()
    nl.sent.clear()
    nl.received.clear()
