"""Ledgers that show another history at an older size, or grow in two epochs at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.crypto.signers import signer_for
from sesn_node.domain.batches import WitnessAnswer
from sesn_node.domain.cards import ClosedLedger, LedgerKeySet
from sesn_node.domain.ids import ledger_origin
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import StorageError, VerificationError
from sesn_node.exchange.peers import take_card
from sesn_node.exchange.release import release_peer
from sesn_node.exchange.settle import settle
from sesn_node.exchange.verify import verify_ledger
from sesn_node.exchange.witness import add_checkpoint, cosigned_checkpoint
from sesn_node.ledger.merkle import EMPTY_ROOT
from sesn_node.ledger.witness import Status, format_add_checkpoint, parse_add_checkpoint
from sesn_node.store.headfile import HeadFile
from sesn_node.wire.batches import MAX_ADD_CHECKPOINT_BYTES
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import DAY_MS
from tests.support.puppet import Puppet
from tests.support.serving import captured_logs
from tests.support.snapshot import PROOF_OF_FORK, unchanged
from tests.support.wires import codes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.batches import Answer
    from sesn_node.ledger.head import TreeHead
    from tests.support.network import Member, Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Ghana witnesses the German port, which has been taken over."""
    return connect(GH, DE)


@pytest.fixture
def puppet(net: Network) -> Puppet:
    """The German port, of which Ghana keeps checkpoints at the sizes 1, 2 and 3."""
    puppet = Puppet(net[DE])
    for _ in range(3):
        assert _post(net, puppet).witness.status == Status.COSIGNED
    return puppet


def _post(net: Network, puppet: Puppet, *, old: int | None = None) -> Answer:
    """Enter a letter in the ledger as it is now, and deliver it."""
    known = puppet.known_to(net[GH]) if old is None else old
    batch = puppet.batch(puppet.letter(net[GH].card), old=known)
    answer = net[GH].receiver.receive(DE, batch)
    net.check()
    return answer


def _fork(puppet: Puppet, size: int, content: bytes = b"another history") -> TreeHead:
    """Let the puppet's ledger be another one of an older size."""
    puppet.ledger[size - 1 :] = [content]
    return puppet.head()


def _kept(member: Member, head: TreeHead) -> dict[bytes, bytes]:
    with member.office.store.read() as transaction:
        return transaction.witness.checkpoints(head.origin, head.size)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("old", [0, 1, 3])
def test_fork_at_an_older_size_shown_by_a_third_party(
    net: Network, puppet: Puppet, monkeypatch: pytest.MonkeyPatch, size: int, old: int
) -> None:
    """Another root at any witnessed size proves a fork, from whatever old size; it is kept."""
    logs = captured_logs(monkeypatch)
    ghana = net[GH]
    (honest,) = _kept(ghana, puppet.head(size)).values()
    head = _fork(puppet, size)
    note = puppet.note(head)
    with unchanged(ghana.office, but=PROOF_OF_FORK):
        answer = add_checkpoint(ghana.office, BE, format_add_checkpoint(old, [], note))
    net.check()
    assert answer == WitnessAnswer(Status.BAD_PROOF)
    assert sorted(_kept(ghana, head).values()) == sorted([honest, note])
    (line,) = [one for one in logs if one["event"] == "ledger-fork"]
    assert line["log_level"] == "error"
    assert (line["origin"], line["size"]) == (puppet.origin, size)


def test_fork_at_an_older_size_in_a_batch(net: Network, puppet: Puppet) -> None:
    """A batch under another history at an older size is refused for good, and the proof kept."""
    del puppet.ledger[1:]
    with unchanged(net[GH].office, but=PROOF_OF_FORK):
        answer = _post(net, puppet, old=0)
    assert answer.witness.status == Status.BAD_PROOF
    assert codes(answer.outcomes) == [RefusalCode.LEDGER_FORK]
    assert len(_kept(net[GH], puppet.head())) == 2


def test_fork_at_an_older_size_in_an_answer(connect: Callable[..., Network]) -> None:
    """An answer under another history at an older size settles nothing; the proof is kept."""
    net = connect(NL, DE)
    puppet = Puppet(net[DE])
    wire = net.wire(NL, DE)
    for old in range(2):
        net.share(NL, DE)
        outgoing = wire.prepare()
        settle(net[NL].office, DE, outgoing, puppet.answer(outgoing.batch, old=old))
        net.check()
    net.share(NL, DE)
    outgoing = wire.prepare()
    puppet.ledger.clear()
    answer = puppet.answer(outgoing.batch, old=0)
    with (
        unchanged(net[NL].office, but=PROOF_OF_FORK),
        pytest.raises(VerificationError, match="two histories") as caught,
    ):
        settle(net[NL].office, DE, outgoing, answer)
    net.check()
    assert caught.value.code == "LEDGER_FORK"
    assert len(_kept(net[NL], puppet.head())) == 2


def test_fork_with_one_signature_is_not_kept(net: Network, puppet: Puppet) -> None:
    """What only one scheme signed proves nothing, and is not kept."""
    note = puppet.note(_fork(puppet, 2))
    one_scheme = note[: note.rindex("—".encode())]
    with unchanged(net[GH].office):
        answer = add_checkpoint(net[GH].office, BE, format_add_checkpoint(0, [], one_scheme))
    assert answer.status == Status.NO_TRUSTED_SIGNATURE


def test_flood_of_forks(net: Network, puppet: Puppet) -> None:
    """One contradiction of a size is kept: more prove no more, and could fill the disk."""
    first = _fork(puppet, 2)
    add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(0))
    kept = _kept(net[GH], first)
    for number in range(3):
        head = _fork(puppet, 2, bytes([number]))
        with unchanged(net[GH].office):
            answer = add_checkpoint(
                net[GH].office, BE, format_add_checkpoint(0, [], puppet.note(head))
            )
        # Its owner is cut off, and so is whatever is said of it.
        assert answer.status == Status.UNKNOWN_ORIGIN
    release_peer(net[GH].office, puppet.agency)
    with unchanged(net[GH].office):
        answer = add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(0))
    assert answer.status == Status.BAD_PROOF
    assert _kept(net[GH], first) == kept


@pytest.mark.parametrize("size", [1, 2, 3])
def test_kept_fork_is_not_taken_for_what_was_witnessed(
    net: Network, puppet: Puppet, size: int
) -> None:
    """After a fork the ledger that we followed still verifies, is told and can grow."""
    ghana = net[GH]
    honest, told = list(puppet.ledger), cosigned_checkpoint(ghana.office, puppet.origin)
    for content in (b"one", b"two", b"three", b"four"):
        _fork(puppet, size, content)
        add_checkpoint(ghana.office, BE, puppet.add_checkpoint(0))
        puppet.ledger[:] = honest
        if content == b"one":
            release_peer(ghana.office, puppet.agency)
    net.check()
    assert len(_kept(ghana, puppet.head(size))) == 2
    assert cosigned_checkpoint(ghana.office, puppet.origin) == told
    net.rest()
    report = verify_ledger(ghana.office.store, HeadFile(ghana.home / "ledger.head"))
    assert report.passed, report
    assert _post(net, puppet).witness.status == Status.COSIGNED


def test_fork_while_the_disk_is_full(
    net: Network, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork that cannot be kept is refused as one all the same, and the log says so."""
    logs = captured_logs(monkeypatch)

    def full(*_: object, **__: object) -> None:
        raise StorageError("no space left", code="DISK_FULL")

    monkeypatch.setattr(type(net[GH].office.sequencer), "run", full)
    _fork(puppet, 1)
    with unchanged(net[GH].office):
        answer = add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(0))
    assert answer.status == Status.BAD_PROOF
    events = [one["event"] for one in logs]
    assert events == ["ledger-fork-not-kept", "ledger-fork", "batch-refused"]


def test_witnessed_checkpoint_again_is_no_fork(net: Network, puppet: Puppet) -> None:
    """An older checkpoint that we cosigned ourselves gets that cosignature, and nothing moves."""
    with unchanged(net[GH].office):
        answer = add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(0, 2))
    assert answer.status == Status.COSIGNED
    with net[GH].office.store.read() as transaction:
        kept = transaction.witness.cosignature(puppet.origin, 2, GH)
    assert kept is not None
    assert answer.cosignatures == kept.lines


# Epochs: a card keeps the keys of closed ledgers, so that old checkpoints verify.


def _later_epoch(net: Network, puppet: Puppet) -> Puppet:
    """Let Ghana take a card that names a second ledger; return a puppet that writes that one."""
    net[DE].open()
    own = net[DE].card.card
    now_ms = net.clock.now_ms
    keys = [
        generate(kind, created_ms=now_ms, not_before_ms=now_ms, not_after_ms=now_ms + DAY_MS)
        for kind in (KeyKind.LOG_ED25519, KeyKind.LOG_MLDSA44)
    ]
    origin = ledger_origin(DE, 2)
    ledgers = (*own.ledgers, LedgerKeySet(origin, keys[0].public, keys[1].public))
    with net[GH].office.store.read() as transaction:
        row = transaction.witness.head(puppet.origin)
    # What Ghana has cosigned of the first one; else it does not take the card.
    end = ClosedLedger(puppet.origin, *((row.size, row.root) if row else (0, EMPTY_ROOT)))
    card = net[DE].later_card(ledgers=ledgers, closed=(*own.closed, end))
    net[DE].close()
    take_card(net[GH].office, DE, card.sealed)
    later = object.__new__(Puppet)
    later.__dict__.update(puppet.__dict__)
    later.origin, later.ledger = origin, []
    later.log_ed25519, later.log_mldsa44 = (signer_for(key) for key in keys)
    return later


def test_ledger_of_an_older_epoch_grows(net: Network, puppet: Puppet) -> None:
    """Once the card names a later ledger, the one before it is closed: to all, and for good."""
    later = _later_epoch(net, puppet)
    batch = puppet.batch(puppet.letter(net[GH].card), old=3)
    with unchanged(net[GH].office):
        answer = net[GH].receiver.receive(DE, batch)
        shown = add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(3))
    assert codes(answer.outcomes) == [RefusalCode.NOT_IN_LEDGER]
    assert answer.witness.status == shown.status == Status.UNKNOWN_ORIGIN
    assert _post(net, later).witness.status == Status.COSIGNED


def test_batch_of_an_older_epoch(net: Network, puppet: Puppet) -> None:
    """Not even what was witnessed of a closed ledger carries a message."""
    later = _later_epoch(net, puppet)
    shipment = replace(puppet.batch(puppet.letter(net[GH].card), old=3))
    del puppet.ledger[-1]
    batch = replace(shipment, add_checkpoint=puppet.add_checkpoint(3))
    with unchanged(net[GH].office):
        answer = net[GH].receiver.receive(DE, batch)
    assert answer.witness.status == Status.UNKNOWN_ORIGIN
    assert later.known_to(net[GH]) == 0


def test_older_epoch_that_was_never_witnessed(connect: Callable[..., Network]) -> None:
    """Two ledgers of one agency are never followed side by side."""
    net = connect(GH, DE)
    puppet = Puppet(net[DE])
    _later_epoch(net, puppet)
    puppet.append(b"parallel")
    with unchanged(net[GH].office):
        answer = add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(0))
    assert answer == WitnessAnswer(Status.UNKNOWN_ORIGIN)


def test_recorded_head_of_an_older_epoch(net: Network, puppet: Puppet) -> None:
    """The last head of a closed ledger may be shown again, and a fork of it is still one."""
    _later_epoch(net, puppet)
    with unchanged(net[GH].office):
        again = add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(3))
    assert again.status == Status.COSIGNED
    _fork(puppet, 3)
    with unchanged(net[GH].office, but=PROOF_OF_FORK):
        forked = add_checkpoint(net[GH].office, BE, puppet.add_checkpoint(3))
    assert forked.status == Status.BAD_PROOF


def test_submitted_body_over_the_limit(net: Network, puppet: Puppet) -> None:
    """A body over 64 KiB is malformed, however well it is signed; one of 64 KiB is judged."""
    body = puppet.add_checkpoint(3)
    line = b"\xe2\x80\x94 somebody.else " + b"AAAA" * 4_000 + b"\n"
    while len(body) + len(line) <= MAX_ADD_CHECKPOINT_BYTES:
        body += line
    assert parse_add_checkpoint(body + line).checkpoint.claimed == puppet.head()
    with unchanged(net[GH].office):
        fits = add_checkpoint(net[GH].office, BE, body)
        over = add_checkpoint(net[GH].office, BE, body + line)
    assert fits.status == Status.COSIGNED
    assert over == WitnessAnswer(Status.BAD_REQUEST)
