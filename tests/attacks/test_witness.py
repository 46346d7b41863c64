"""Ledgers that lie to their witness: forks, rollbacks, stripped schemes, foreign checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.batches import NOTHING_WITNESSED, Batch, Refused, WitnessAnswer
from sesn_node.domain.ids import ledger_origin
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import ConflictError, MalformedError, SesnError, VerificationError
from sesn_node.exchange import receive as receiving
from sesn_node.exchange.examine import Examiner
from sesn_node.exchange.office import MOVED
from sesn_node.exchange.settle import settle
from sesn_node.exchange.witness import add_checkpoint, cosigned_checkpoint, judge_checkpoint, record
from sesn_node.ledger.head import TreeHead
from sesn_node.ledger.witness import Status, format_add_checkpoint, parse_add_checkpoint
from sesn_node.wire._pb import exchange_pb2 as pb
from sesn_node.wire.batches import batch_from_pb, batch_to_pb
from tests.support.homes import BE, DE, GH, NL
from tests.support.puppet import Puppet
from tests.support.serving import captured_logs
from tests.support.snapshot import PROOF_OF_FORK, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from structlog.typing import EventDict

    from sesn_node.domain.batches import Answer, BadShipment, Shipment
    from sesn_node.exchange.examine import Examined
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.witness import Judged
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction
    from sesn_node.store.witness import WitnessRow
    from tests.support.network import Member, Network


@dataclass(frozen=True, slots=True)
class Scene:
    """Ghana's node, which witnesses the ledger of the German port's puppet at `known` entries."""

    net: Network
    ghana: Member
    puppet: Puppet
    known: int

    def receive(self, batch: Batch, previous: Answer | None = None) -> Answer:
        """Let Ghana take a batch, and check every invariant."""
        try:
            return self.ghana.receiver.receive(DE, batch, previous)
        finally:
            self.net.check()

    def post(self, *, old: int) -> Answer:
        """Enter a letter in the ledger as it is now, and deliver it proven from an old size."""
        return self.receive(self.puppet.batch(self.puppet.letter(self.ghana.card), old=old))

    def witnessed(self) -> WitnessRow | None:
        """Return what Ghana holds of the puppet's ledger."""
        with self.ghana.office.store.read() as transaction:
            return transaction.witness.head(self.puppet.origin)


@pytest.fixture
def scene(connect: Callable[..., Network]) -> Scene:
    """Ghana has received four messages of the German port, which has been taken over."""
    net = connect(GH, DE)
    puppet = Puppet(net[DE])
    letters = [puppet.letter(net[GH].card) for _ in range(4)]
    net[GH].receiver.receive(DE, puppet.batch(*letters, old=0))
    net.check()
    return Scene(net, net[GH], puppet, 4)


@pytest.fixture
def logs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Sequence[EventDict]:
    """What is logged once the scene is set."""
    assert scene.known
    return captured_logs(monkeypatch)


_WHERE = {"component", "detail", "file"}


def _told(logs: Sequence[EventDict]) -> list[dict[str, object]]:
    """Say what was logged, but for where."""
    return [{key: one[key] for key in one if key not in _WHERE} for one in logs]


def _refusal(peer: str, level: str, code: str, status: int) -> dict[str, object]:
    line = {"event": "batch-refused", "log_level": level}
    return {**line, "peer": peer, "code": code, "status": status}


def _fork(scene: Scene, shown_by: str, status: int = 422) -> list[dict[str, object]]:
    """What a proven fork of the puppet's ledger is reported as: an alarm, and a refusal."""
    line = {
        "event": "ledger-fork",
        "log_level": "error",
        "code": "LEDGER_FORK",
        "peer": DE,
        "shown_by": shown_by,
    }
    where = {"origin": scene.puppet.origin, "size": scene.known, "quarantined": True}
    return [line | where, _refusal(shown_by, "warning", "LEDGER_FORK", status)]


def _refused(answer: Answer, code: RefusalCode) -> bool:
    return all(isinstance(one, Refused) and one.code is code for one in answer.outcomes)


def test_honest_growth(scene: Scene) -> None:
    """The attacks fail for what their names tell: without it, the ledger is followed."""
    answer = scene.post(old=scene.known)
    assert answer.witness.status == Status.COSIGNED
    row = scene.witnessed()
    assert row is not None
    assert row.size == scene.known + 1


def test_forked_checkpoint(scene: Scene, logs: Sequence[EventDict]) -> None:
    """Another root at the witnessed size proves a fork: refused for good, the proof is kept."""
    del scene.puppet.ledger[-1]
    with unchanged(scene.ghana.office, but=PROOF_OF_FORK):
        answer = scene.post(old=scene.known)
    assert answer.witness.status == Status.BAD_PROOF
    assert answer.outcomes
    assert _refused(answer, RefusalCode.LEDGER_FORK)
    assert answer.add_checkpoint == b""
    assert _told(logs) == _fork(scene, DE)


@pytest.mark.parametrize("old", [0, 1])
def test_forked_checkpoint_from_another_old_size(
    scene: Scene, logs: Sequence[EventDict], old: int
) -> None:
    """A fork proves itself, whatever old size came with it."""
    del scene.puppet.ledger[-1]
    with unchanged(scene.ghana.office, but=PROOF_OF_FORK):
        answer = scene.post(old=old)
    assert _refused(answer, RefusalCode.LEDGER_FORK)
    assert _told(logs) == _fork(scene, DE, 409)


@pytest.mark.parametrize("longer", [1, 2, 7])
def test_rewritten_history(scene: Scene, logs: Sequence[EventDict], longer: int) -> None:
    """A longer history that does not contain the witnessed one is refused, but proves no fork."""
    scene.puppet.ledger[0] = b"rewritten"
    for number in range(longer - 1):
        scene.puppet.append(bytes([number]))
    with unchanged(scene.ghana.office):
        answer = scene.post(old=scene.known)
    assert answer.witness.status == Status.BAD_PROOF
    assert _refused(answer, RefusalCode.NOT_IN_LEDGER)
    assert _told(logs) == [_refusal(DE, "warning", "NOT_IN_LEDGER", 422)]


def test_rolled_back_checkpoint(scene: Scene, logs: Sequence[EventDict]) -> None:
    """A smaller ledger than the witnessed one is refused, and told which size is held."""
    del scene.puppet.ledger[1:]
    with unchanged(scene.ghana.office):
        answer = scene.post(old=0)
    assert (answer.witness.status, answer.witness.size) == (Status.OTHER_OLD_SIZE, scene.known)
    assert _refused(answer, RefusalCode.NOT_IN_LEDGER)
    assert _told(logs) == [_refusal(DE, "info", "NOT_IN_LEDGER", 409)]


def test_rolled_back_checkpoint_that_claims_growth(scene: Scene, logs: Sequence[EventDict]) -> None:
    """An old size above the size is no growth: 400."""
    del scene.puppet.ledger[1:]
    letter = scene.puppet.letter(scene.ghana.card)
    batch = scene.puppet.batch(letter, old=0)
    note = parse_add_checkpoint(batch.add_checkpoint).note
    with unchanged(scene.ghana.office):
        answer = scene.receive(
            replace(batch, add_checkpoint=format_add_checkpoint(scene.known, [], note))
        )
    assert answer.witness.status == Status.BAD_REQUEST
    assert _refused(answer, RefusalCode.NOT_IN_LEDGER)
    assert _told(logs) == [_refusal(DE, "warning", "NOT_IN_LEDGER", 400)]


@pytest.mark.parametrize("line", [0, 1])
def test_stripped_scheme(scene: Scene, logs: Sequence[EventDict], line: int) -> None:
    """A checkpoint with one of its two signatures is not trusted: 403."""
    batch = scene.puppet.batch(scene.puppet.letter(scene.ghana.card), old=scene.known)
    text, _, signatures = batch.add_checkpoint.rpartition(b"\n\n")
    kept = signatures.splitlines(keepends=True)[line]
    with unchanged(scene.ghana.office):
        answer = scene.receive(replace(batch, add_checkpoint=text + b"\n\n" + kept))
    assert answer.witness.status == Status.NO_TRUSTED_SIGNATURE
    assert _refused(answer, RefusalCode.NOT_IN_LEDGER)
    assert _told(logs) == [_refusal(DE, "warning", "NOT_IN_LEDGER", 403)]


def test_signed_by_the_witness_key(scene: Scene) -> None:
    """A cosignature of the ledger's owner does not stand for the ledger's signature."""
    batch = scene.puppet.batch(scene.puppet.letter(scene.ghana.card), old=scene.known)
    text, _, _ = batch.add_checkpoint.rpartition(b"\n\n")
    lines = scene.puppet.cosign(scene.puppet.head())
    with unchanged(scene.ghana.office):
        answer = scene.receive(replace(batch, add_checkpoint=text + b"\n\n" + lines))
    assert answer.witness.status == Status.NO_TRUSTED_SIGNATURE


@pytest.mark.parametrize(
    "origin",
    [ledger_origin(DE, 2), ledger_origin(NL, 1), "example.com/log", "x" * 255],
)
def test_unknown_origin(scene: Scene, logs: Sequence[EventDict], origin: str) -> None:
    """A ledger that is not in the caller's card is unknown: 404."""
    letter = scene.puppet.letter(scene.ghana.card)
    batch = scene.puppet.batch(letter, old=scene.known)
    note = parse_add_checkpoint(batch.add_checkpoint).note.replace(
        scene.puppet.origin.encode(), origin.encode()
    )
    with unchanged(scene.ghana.office):
        answer = scene.receive(replace(batch, add_checkpoint=format_add_checkpoint(0, [], note)))
    assert answer.witness.status == Status.UNKNOWN_ORIGIN
    assert _refused(answer, RefusalCode.NOT_IN_LEDGER)
    assert _told(logs) == [_refusal(DE, "warning", "NOT_IN_LEDGER", 404)]


def test_checkpoint_of_another_partner(connect: Callable[..., Network]) -> None:
    """In a delivery, a caller speaks for its own ledger only."""
    net = connect(NL, GH, DE)
    puppet = Puppet(net[DE])
    letter = puppet.letter(net[GH].card)
    batch = puppet.batch(letter, old=0)
    office = net[NL].office
    with office.store.read() as transaction:
        body = office.ledger(transaction).add_checkpoint(0)
    with unchanged(net[GH].office):
        answer = net[GH].receiver.receive(DE, replace(batch, add_checkpoint=body))
    assert answer.witness.status == Status.UNKNOWN_ORIGIN
    assert _refused(answer, RefusalCode.NOT_IN_LEDGER)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"garbage", id="garbage"),
        pytest.param(b"old 4\n\n", id="no note"),
        pytest.param(b"old 04\n\n", id="leading zero"),
        pytest.param(b"old 4\n" + b"A" * 44 + b"\n", id="no blank line"),
        pytest.param(b"old 4\n" + (b"A" * 43 + b"=\n") * 64 + b"\n", id="64 hashes"),
        pytest.param(b"\xff" * 1000, id="not text"),
    ],
)
def test_body_of_garbage(scene: Scene, body: bytes) -> None:
    """What is no add-checkpoint body proves nothing: 400, and nothing is stored."""
    batch = scene.puppet.batch(scene.puppet.letter(scene.ghana.card), old=scene.known)
    with unchanged(scene.ghana.office):
        answer = scene.receive(replace(batch, add_checkpoint=body))
    assert answer.witness.status == Status.BAD_REQUEST
    assert answer.outcomes
    assert _refused(answer, RefusalCode.NOT_IN_LEDGER)


@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param(lambda one: setattr(one, "add_checkpoint", bytes(64 * 1024 + 1)), id="note"),
        pytest.param(
            lambda one: setattr(one.witness, "cosignatures", bytes(16 * 1024 + 1)), id="lines"
        ),
        pytest.param(lambda one: setattr(one.witness, "status", 500), id="status"),
        pytest.param(lambda one: setattr(one.witness, "size", 2**63), id="size"),
    ],
)
def test_batch_out_of_bounds(scene: Scene, mangle: Callable[[pb.DeliverRequest], object]) -> None:
    """A batch whose own fields are too large ends the stream before anything is looked at."""
    batch = scene.puppet.batch(scene.puppet.letter(scene.ghana.card), old=scene.known)
    message = batch_to_pb(batch)
    mangle(message)
    with pytest.raises(MalformedError):
        batch_from_pb(pb.DeliverRequest.FromString(message.SerializeToString()))


# What a caller says of our own checkpoint.


def _answered(scene: Scene) -> tuple[Answer, TreeHead]:
    """Let Ghana answer a batch; return the answer and the head that it proves receipts under."""
    answer = scene.post(old=scene.known)
    return answer, parse_add_checkpoint(answer.add_checkpoint).checkpoint.claimed


_WORDS: dict[str, Callable[[Puppet, TreeHead], bytes]] = {
    "garbage": lambda _puppet, _head: b"\xff" * 100,
    "on another head": lambda puppet, head: puppet.cosign(replace(head, size=head.size + 1)),
    "on another ledger": lambda puppet, _head: puppet.cosign(puppet.head()),
    "Ed25519 alone": lambda puppet, head: puppet.cosign(head).splitlines(keepends=True)[0],
    "ML-DSA-44 alone": lambda puppet, head: puppet.cosign(head).splitlines(keepends=True)[1],
}


@pytest.mark.parametrize("name", list(_WORDS))
@pytest.mark.parametrize("shipments", [True, False])
def test_forged_cosignature_on_our_checkpoint(scene: Scene, name: str, *, shipments: bool) -> None:
    """A cosignature that does not hold ends the stream; messages beside it are not taken."""
    answer, head = _answered(scene)
    witness = WitnessAnswer(200, 0, _WORDS[name](scene.puppet, head))
    letter = scene.puppet.letter(scene.ghana.card)
    batch = scene.puppet.batch(letter, old=scene.known + 1) if shipments else Batch(2)
    with unchanged(scene.ghana.office), pytest.raises(SesnError):
        scene.receive(replace(batch, witness=witness), answer)


def test_cosignature_on_nothing(scene: Scene) -> None:
    """A cosignature without an answer before it is not looked at."""
    lines = scene.puppet.cosign(scene.puppet.head())
    with unchanged(scene.ghana.office):
        answer = scene.receive(Batch(1, witness=WitnessAnswer(200, 0, lines)))
    assert answer.witness == NOTHING_WITNESSED


def test_cosignature_given_twice(scene: Scene) -> None:
    """The same cosignature again changes nothing."""
    answer, head = _answered(scene)
    batch = Batch(2, witness=WitnessAnswer(200, 0, scene.puppet.cosign(head)))
    scene.receive(batch, answer)
    with unchanged(scene.ghana.office):
        scene.receive(batch, answer)


def test_cosignature_of_a_revoked_agency(scene: Scene) -> None:
    """An agency that was revoked meanwhile is no witness of ours any more."""
    answer, head = _answered(scene)
    scene.net.revoke(GH, DE)
    batch = Batch(2, witness=WitnessAnswer(200, 0, scene.puppet.cosign(head)))
    with unchanged(scene.ghana.office), pytest.raises(SesnError):
        scene.receive(batch, answer)


def test_asking_again_for_no_answer(scene: Scene) -> None:
    """There is nothing to prove again before the first answer of a stream."""
    with unchanged(scene.ghana.office), pytest.raises(MalformedError):
        scene.receive(Batch(1, witness=WitnessAnswer(409, 1)))


@pytest.mark.parametrize("size", [0, 1, 10**6, 2**63 - 1])
def test_asking_again_from_any_size(scene: Scene, size: int) -> None:
    """Whatever size a caller claims to hold, it gets the same receipts, and nothing is added."""
    answer, head = _answered(scene)
    with unchanged(scene.ghana.office, but=("link",)):
        again = scene.receive(Batch(2, witness=WitnessAnswer(409, size)), answer)
    assert parse_add_checkpoint(again.add_checkpoint).checkpoint.claimed == head
    assert again.outcomes == answer.outcomes


# AddCheckpoint: anybody trusted may submit any ledger's checkpoint.


def test_third_party_shows_a_fork(scene: Scene, logs: Sequence[EventDict]) -> None:
    """A second history that somebody else was told is not cosigned."""
    scene.puppet.ledger[-1] = b"what Belgium was told"
    with unchanged(scene.ghana.office, but=PROOF_OF_FORK):
        answer = add_checkpoint(scene.ghana.office, BE, scene.puppet.add_checkpoint(scene.known))
    assert answer.status == Status.BAD_PROOF
    assert answer.cosignatures == b""
    assert _told(logs) == _fork(scene, BE)


@pytest.mark.parametrize("body", [b"", b"garbage", b"old 0\n\n"])
def test_submitted_garbage(scene: Scene, logs: Sequence[EventDict], body: bytes) -> None:
    """What is no add-checkpoint body is answered 400."""
    with unchanged(scene.ghana.office):
        answer = add_checkpoint(scene.ghana.office, BE, body)
    assert answer == WitnessAnswer(Status.BAD_REQUEST)
    assert _told(logs) == [_refusal(BE, "warning", "MALFORMED", 400)]


@pytest.mark.parametrize("origin", ["", "nobody", "../../etc/passwd", "\0"])
def test_asking_for_an_unknown_ledger(scene: Scene, origin: str) -> None:
    """Of a ledger that we never cosigned there is nothing to show."""
    assert cosigned_checkpoint(scene.ghana.office, origin) == b""


# Races: what is recorded is compared again in the transaction.


def test_record_moves_while_a_batch_is_examined(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that was overtaken is judged again, and never overwrites the newer one."""
    puppet = scene.puppet
    slow = puppet.batch(puppet.letter(scene.ghana.card), old=scene.known)
    fast = puppet.batch(puppet.letter(scene.ghana.card), old=scene.known)
    examine = Examiner.examine

    def examine_slowly(
        self: Examiner, transaction: Transaction, shipments: Sequence[Shipment | BadShipment]
    ) -> list[Examined]:
        monkeypatch.undo()
        scene.receive(fast)
        return examine(self, transaction, shipments)

    monkeypatch.setattr(Examiner, "examine", examine_slowly)
    late = scene.receive(slow)
    assert (late.witness.status, late.witness.size) == (Status.OTHER_OLD_SIZE, scene.known + 2)
    row = scene.witnessed()
    assert row is not None
    assert (row.size, row.root) == (scene.known + 2, puppet.head().root)


def test_record_keeps_moving(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, logs: Sequence[EventDict]
) -> None:
    """A batch that is overtaken again and again is told to come back, not left to spin."""

    def always(office: Office, work: Work, judged: Judged) -> bytes:
        assert office is scene.ghana.office
        assert work.now_ms
        assert judged.accepted
        raise ConflictError("moved", code=MOVED)

    monkeypatch.setattr(receiving, "record", always)
    with unchanged(scene.ghana.office):
        answer = scene.post(old=scene.known)
    assert _refused(answer, RefusalCode.BUSY)
    assert _told(logs) == [_refusal(DE, "warning", "BUSY", 0)]


def test_checkpoint_that_was_not_accepted_is_never_recorded(scene: Scene) -> None:
    """Even a fault in a caller cannot make us cosign what we did not accept."""
    scene.puppet.ledger[0] = b"rewritten"
    scene.puppet.append(b"more")
    office = scene.ghana.office
    with office.store.read() as transaction:
        judged = judge_checkpoint(
            transaction, office.directory(), scene.puppet.add_checkpoint(scene.known)
        )
    assert judged is not None
    with unchanged(office), pytest.raises(SesnError):
        office.sequencer.run(lambda work: record(office, work, judged))


def test_two_histories_at_two_witnesses(connect: Callable[..., Network]) -> None:
    """Two partners that were told two histories find out as soon as one shows the other."""
    net = connect(GH, BE, DE)
    puppet = Puppet(net[DE])
    common = [puppet.letter(net[GH].card) for _ in range(2)]
    net[GH].receiver.receive(DE, puppet.batch(*common, old=0))
    shown_to_ghana = list(puppet.ledger)
    puppet.ledger[-1] = b"another history"
    belgian = puppet.letter(net[BE].card)
    net[BE].receiver.receive(DE, puppet.batch(belgian, old=0))
    net.check()
    note = cosigned_checkpoint(net[BE].office, puppet.origin)
    assert note
    puppet.ledger[:] = shown_to_ghana
    with unchanged(net[GH].office):
        answer = add_checkpoint(net[GH].office, BE, format_add_checkpoint(2, [], note))
    assert answer.status != Status.COSIGNED


def test_settling_never_follows_a_fork(connect: Callable[..., Network]) -> None:
    """A partner that answers with a fork of its ledger is not acknowledged, nor followed."""
    net = connect(NL, DE)
    net.share(NL, DE)
    puppet = Puppet(net[DE])
    wire = net.wire(NL, DE)
    outgoing = wire.prepare()
    settle(net[NL].office, DE, outgoing, puppet.answer(outgoing.batch, old=0))
    net.check()
    net.share(NL, DE)
    outgoing = wire.prepare()
    known = puppet.known_to(net[NL])
    puppet.ledger.clear()
    answer = puppet.answer(outgoing.batch, old=0)
    assert len(puppet.ledger) == known
    body = format_add_checkpoint(known, [], puppet.note(puppet.head()))
    with unchanged(net[NL].office, but=PROOF_OF_FORK), pytest.raises(VerificationError):
        settle(net[NL].office, DE, outgoing, replace(answer, add_checkpoint=body))
