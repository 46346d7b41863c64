"""Steps and case files of members whose nodes keep no rule: refused, or without any effect.

The case is at the five offices of `tests.support.casestages`; BE, a transit authority, keeps every
rule. What the table does not allow is in `test_case_table.py`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import pytest

from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.case_history import Standing
from sesn_node.domain.case_messages import CaseFile, Details
from sesn_node.domain.case_terms import Action, Member, Role, State
from sesn_node.domain.conversation import Recall
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.domain.people import Act
from sesn_node.domain.refusals import RefusalCode
from sesn_node.errors import ConflictError, PolicyError, VerificationError
from sesn_node.exchange import casesteps
from sesn_node.exchange import share as sharing
from sesn_node.exchange.casecontent import originals_of
from sesn_node.exchange.casesteps import find_history
from sesn_node.exchange.casework import Move, step_draft
from sesn_node.exchange.disclose import messages_of
from sesn_node.exchange.endorsing import ApprovalNeeded, signed
from sesn_node.exchange.erase import erase
from sesn_node.exchange.forwarding import as_original
from sesn_node.exchange.informed import find_informed
from sesn_node.exchange.recall import recall
from sesn_node.exchange.rotate import Rotatable
from sesn_node.exchange.share import Draft, share
from sesn_node.wire.batches import decode_proof
from tests.support.casedrafts import ByHand, unchecked, unruly, written
from tests.support.casestages import FR, Stages
from tests.support.casework import MARKS, Casework
from tests.support.check_node import check_node
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import HOUR_MS, alert
from tests.support.rotations import rotate_all_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.domain.forward import Original
    from sesn_node.exchange.operators import Actor
    from tests.support.homes import Homes

RED: Final = Markings(Tlp.RED)
H2: Final = replace(MARKS, handling=(HandlingCode.H2,))


@pytest.fixture(scope="module")
def stages(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """Homes in each state, made when they are first wanted."""
    return Stages(homes, tmp_path_factory.mktemp("stages"))


class Scene:
    """Five offices, and a case of which BE knows what it knew in the beginning."""

    def __init__(self, work: Casework, case_id: MessageId) -> None:
        self.work = work
        self.case_id = case_id
        self.before = work.history(BE, case_id)
        self.known = {step.step_id for step in self.before.steps}

    def unchanged(self) -> bool:
        """Tell whether BE sees the case as before."""
        with self.work.net[BE].office.store.read() as transaction:
            return find_history(transaction, self.case_id, NL).case == self.before.case

    def refused(
        self, agency: AgencyId, draft: Draft, code: RefusalCode = RefusalCode.POLICY
    ) -> None:
        """Send a draft past all checks of its author's node; BE must refuse it."""
        with _blind():
            message_id = share(self.work.net[agency].office, draft)
        self.refuses(agency, message_id, code)

    def refuses(self, agency: AgencyId, message_id: MessageId, code: RefusalCode) -> None:
        """Deliver a message; BE must refuse it, and note that unless it may be tried again."""
        net = self.work.net
        net.deliver(agency, BE)
        copy = net[agency].copies(message_id)[BE]
        ended = DeliveryState.REFUSED if code.permanent else DeliveryState.QUEUED
        assert (copy.state, copy.code) == (ended, code)
        noted = [one for one in check_node(net[BE].office).refusals if one.code == code]
        assert ([one.message_id for one in noted] == [message_id]) is code.permanent
        assert not net[BE].received(message_id)
        assert self.unchanged()

    def write(self, agency: AgencyId, action: Action, **parts: Any) -> Draft:  # noqa: ANN401 - of ByHand
        """Write a step by hand."""
        return written(self.work, agency, self.case_id, ByHand(action=action, **parts))

    def originals(self) -> list[Original]:
        """Return the steps as their senders sealed them, as NL has them."""
        office = self.work.net[NL].office
        with office.store.read() as transaction:
            found = originals_of(office, transaction, self.case_id)
        history = self.work.history(NL, self.case_id)
        return [found[step.step_id] for step in history.steps]

    def file(self, *originals: Original, conversation_id: MessageId | None = None) -> Draft:
        """Write a case file to BE."""
        return Draft(
            Payload(MARKS, CaseFile(originals)),
            to=(BE,),
            conversation_id=conversation_id or self.case_id,
            by_node=True,
        )


@contextmanager
def _blind() -> Iterator[None]:
    """Let nodes send what people did not sign, and what their cases do not allow."""
    with unruly(), patch.object(sharing, "endorsed", lambda _, draft: draft):
        yield


@pytest.fixture
def scene(stages: Stages, tmp_path: Path) -> Iterator[Scene]:
    """A case that was acknowledged."""
    stage = stages.stage(State.ACKNOWLEDGED)
    assert stage.case_id is not None
    with stages.opened(stage, tmp_path / "offices") as work:
        yield Scene(work, stage.case_id)


@pytest.fixture
def bare(stages: Stages, tmp_path: Path) -> Iterator[Casework]:
    """Five offices without a case."""
    with stages.opened(stages.begin, tmp_path / "offices") as work:
        yield work


@pytest.fixture
def small(bare: Casework) -> Scene:
    """A case of NL, GH and BE; DE and FR are strangers."""
    case_id = bare.request(NL, GH, transit=(BE,))
    bare.post()
    return Scene(bare, case_id)


# Two people.


def _sign(work: Casework, draft: Draft, *by: tuple[Actor, Act]) -> Draft:
    for actor, act in by:
        draft = signed(actor, draft, act, work.net.clock.now_ms)
    return draft


def test_a_step_that_needs_two_people_and_has_none(scene: Scene) -> None:
    """Nobody signed it."""
    draft = scene.write(GH, Action.ACCEPT)
    with pytest.raises(PolicyError):
        share(scene.work.net[GH].office, draft)
    scene.refused(GH, draft)


def test_a_step_that_needs_two_people_and_has_one(scene: Scene) -> None:
    """Its author signed it, and nobody approved it."""
    officer, _ = scene.work.people[GH]
    draft = _sign(scene.work, scene.write(GH, Action.ACCEPT), (officer, Act.AUTHORED))
    with pytest.raises(ApprovalNeeded):
        share(scene.work.net[GH].office, draft)
    scene.refused(GH, draft)


def test_a_step_that_its_author_approves(scene: Scene) -> None:
    """One person is not two."""
    _, supervisor = scene.work.people[GH]
    twice = (supervisor, Act.AUTHORED), (supervisor, Act.APPROVED)
    draft = _sign(scene.work, scene.write(GH, Action.ACCEPT), *twice)
    with pytest.raises(VerificationError, match="twice"):
        share(scene.work.net[GH].office, draft)
    scene.refused(GH, draft)


def test_a_step_that_people_of_another_agency_sign(scene: Scene) -> None:
    """They are vouched for by another seal."""
    officer, supervisor = scene.work.people[NL]
    both = (officer, Act.AUTHORED), (supervisor, Act.APPROVED)
    scene.refused(GH, _sign(scene.work, scene.write(GH, Action.ACCEPT), *both))


def test_a_step_that_was_approved_in_other_words(scene: Scene) -> None:
    """What was signed is another payload."""
    officer, supervisor = scene.work.people[GH]
    draft = scene.write(GH, Action.ACCEPT)
    both = _sign(scene.work, draft, (officer, Act.AUTHORED), (supervisor, Act.APPROVED))
    other = scene.write(GH, Action.ACCEPT, details=Details(taker="Another", payer="Another"))
    endorsements = both.payload.endorsements
    scene.refused(GH, replace(other, payload=replace(other.payload, endorsements=endorsements)))


def test_a_request_that_nobody_approved(scene: Scene) -> None:
    """A case does not begin with one person alone."""
    draft = replace(scene.write(NL, Action.REQUEST), conversation_id=None)
    with pytest.raises(PolicyError):
        share(scene.work.net[NL].office, draft)
    scene.refused(NL, draft)


# Markings and recipients.


@pytest.mark.parametrize("markings", [RED, H2], ids=["RED", "H2"])
def test_a_step_for_named_eyes_only(scene: Scene, markings: Markings) -> None:
    """Who joins a case later gets it, too."""
    office = scene.work.net[GH].office
    move = Move(action=Action.ASK, details=Details(text="Why?"), markings=markings)
    with pytest.raises(PolicyError, match="neither RED nor H2"):
        step_draft(office, scene.case_id, move)
    draft = scene.write(GH, Action.ASK, markings=markings)
    with pytest.raises(PolicyError, match="RED, or H2"):
        scene.work.send(GH, draft)
    scene.refused(GH, draft)


def test_a_member_is_left_out(scene: Scene) -> None:
    """Both parties see every step."""
    draft = scene.write(GH, Action.ASK, to=(BE, DE, FR))
    with pytest.raises(PolicyError, match="goes to DET, EXP"):
        scene.work.send(GH, draft)
    scene.refused(GH, draft)


def test_a_stranger_is_told(small: Scene) -> None:
    """Nobody but members sees a step."""
    draft = small.write(GH, Action.ACKNOWLEDGE, to=(NL, BE, DE))
    with pytest.raises(PolicyError, match="nobody else"):
        small.work.send(GH, draft)
    small.refused(GH, draft)


def test_a_stranger_takes_a_step(small: Scene) -> None:
    """Whoever knows of a case has no part in it because of that."""
    wanted = ByHand(action=Action.INCIDENT, role=Role.TRN, to=(BE, GH, NL))
    office = small.work.net[DE].office
    draft = written(small.work, NL, small.case_id, wanted, office)
    with pytest.raises(PolicyError, match="not here"):
        small.work.send(DE, draft)
    small.refused(DE, draft)


# What is not here, or not yet.


def test_a_step_that_builds_on_nothing(scene: Scene) -> None:
    """It is kept, since what it builds on may be on its way; it counts for nothing."""
    after = tuple(sorted(random_bytes(32) for _ in range(2)))
    draft = scene.write(GH, Action.ASK, marks={"after": after})
    with pytest.raises(PolicyError, match="not here"):
        scene.work.send(GH, draft)
    message_id = unchecked(scene.work, GH, draft)
    scene.work.net.deliver(GH, BE)
    assert scene.work.net[GH].states(message_id)[BE] == "acknowledged"
    found = scene.work.history(BE, scene.case_id)
    assert list(found.standing.values()).count(Standing.WAITING) == 1
    assert found.case == scene.before.case
    assert found.tips == scene.before.tips
    # The case goes on beside it.
    scene.work.step(NL, scene.case_id, Action.WITHDRAW, code="MISTAKE")
    scene.work.net.deliver(NL, BE)
    assert scene.work.case(BE, scene.case_id).state is State.WITHDRAWN


def test_more_steps_than_one_agency_can_take(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are bounded, since each is judged with all others."""
    monkeypatch.setattr(casesteps, "MAX_STEPS", 3)
    for _ in range(2):
        # With its ACKNOWLEDGE, these are three.
        scene.work.step(GH, scene.case_id, Action.INCIDENT, code="DELAY")
    scene.work.net.deliver(GH, BE)
    scene.before = scene.work.history(BE, scene.case_id)
    draft = scene.write(GH, Action.ASK)
    with pytest.raises(PolicyError, match="steps of one agency"):
        scene.work.send(GH, draft)
    scene.refused(GH, draft)
    # Others are not held up.
    scene.work.step(FR, scene.case_id, Action.INCIDENT, code="DELAY")
    scene.work.net.deliver(FR, BE)
    assert len(scene.work.case(BE, scene.case_id).incidents) == 3


def test_more_steps_than_one_agency_can_take_from_the_last_to_the_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its own later steps name a step does not let it in beyond the limit."""
    first, *later = [
        scene.work.step(GH, scene.case_id, Action.INCIDENT, code="DELAY") for _ in range(4)
    ]
    office = scene.work.net[GH].office
    sent = {one.message_id: one for one in scene.work.history(GH, scene.case_id).steps}
    with office.store.read() as transaction:
        rows = {row.message_id: row for row in transaction.cases.steps(scene.case_id)}
    monkeypatch.setattr(casesteps, "MAX_STEPS", 3)
    with scene.work.net[BE].office.store.read() as transaction:
        known = casesteps.steps_of(transaction, scene.case_id)
        monkeypatch.setattr(casesteps, "steps_of", lambda *_: [*known, *map(sent.get, later)])
        monkeypatch.setattr(type(transaction.cases), "count", lambda *_: 4)
        row = rows[first]
        sealed = casesteps.SealedStep(row.header, row.seal, sent[first], row.salt, b"")
        told = casesteps.obstacle(transaction, sealed)
    assert told is not None
    assert "more steps" in told


def test_more_steps_than_one_agency_can_take_in_case_files(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who helps does not help."""
    for _ in range(3):
        scene.work.step(GH, scene.case_id, Action.INCIDENT, code="DELAY")
    scene.work.net.deliver(GH, NL)
    monkeypatch.setattr(casesteps, "MAX_STEPS", 3)
    scene.refused(NL, scene.file(*scene.originals()))


# Two requests under one id.


def test_a_second_request_under_the_id_of_a_case(scene: Scene) -> None:
    """GH requests a return of its own, under the id of NL's: these are two cases."""
    work, case_id = scene.work, scene.case_id
    members = (Member(BE, (Role.EXP,)), Member(GH, (Role.DET,)))
    draft = scene.write(GH, Action.REQUEST, to=(BE,), role=Role.DET, marks={"members": members})
    with patch.object(sharing, "new_message_id", lambda *_: case_id):
        unchecked(work, GH, replace(draft, conversation_id=None))
    work.net.deliver(GH, BE)
    office = work.net[BE].office
    with office.store.read() as transaction:
        with pytest.raises(ConflictError, match="--from"):
            find_history(transaction, case_id)
        assert find_history(transaction, case_id, NL).case == scene.before.case
        theirs = find_history(transaction, case_id, GH).case
    assert theirs is not None
    assert {one.agency for one in theirs.members} == {BE, GH}
    assert theirs.state is State.REQUESTED
    move = Move(action=Action.INCIDENT, code="DELAY", details=Details(text="Late."))
    with pytest.raises(ConflictError, match="--from"):
        step_draft(office, case_id, move)
    # Each step belongs to the case that it builds on.
    for founder, to in ((NL, {NL, GH, DE, FR}), (GH, {GH})):
        found = step_draft(office, case_id, move, founder)
        assert set(found.to) == to
        work.send(BE, found)
    with office.store.read() as transaction:
        for founder in (NL, GH):
            case = find_history(transaction, case_id, founder).case
            assert case is not None
            assert len(case.incidents) == 1


# When the authority of export was informed.


@pytest.fixture
def uninformed(bare: Casework) -> Scene:
    """A case of NL, GH and BE; all have the request, and t0 is not proven yet."""
    other = bare.net.share(NL, GH)
    case_id = bare.request(NL, GH, transit=(BE,))
    for agency in (GH, BE):
        bare.net.deliver(NL, agency)
    found = Scene(bare, case_id)
    assert bare.net[NL].states(other)[GH] == "acknowledged"
    return found


def _inform(scene: Scene, **changes: Any) -> Draft:  # noqa: ANN401 - of the proof, or of the mark
    """Write INFORM with the true proof, but for what changes."""
    case = scene.before.case
    assert case is not None
    with scene.work.net[NL].office.store.read() as transaction:
        proof = find_informed(transaction, case)
    assert proof is not None
    informed, at_ms = proof
    marks = {"at_ms": at_ms} | {
        name: changes.pop(name) for name in ("at_ms", "members", "about") if name in changes
    }
    details = Details(informed=replace(informed, **changes))
    return scene.write(NL, Action.INFORM, details=details, marks=marks)


def _receipt(scene: Scene, agency: AgencyId, message_id: MessageId) -> dict[str, Any]:
    """Return another receipt that NL holds, as parts of a proof."""
    with scene.work.net[NL].office.store.read() as transaction:
        copy = transaction.outbox.copy(message_id, agency)
        assert copy is not None
        assert copy.receipt is not None
        kept = copy.receipt
        (note,) = transaction.witness.checkpoints(kept.origin, kept.size).values()
    return {
        "entry": kept.entry,
        "index": kept.index,
        "proof": decode_proof(kept.proof),
        "checkpoint": note,
    }


def test_the_true_proof_is_taken(uninformed: Scene) -> None:
    """What follows fails for what it says, and for nothing else."""
    uninformed.work.send(NL, _inform(uninformed))
    uninformed.work.net.deliver(NL, BE)
    assert uninformed.work.case(BE, uninformed.case_id).informed_ms is not None


def test_the_receipt_of_another_agency(uninformed: Scene) -> None:
    """BE has received the request, too; its entry says no word of who it is."""
    uninformed.refused(NL, _inform(uninformed, **_receipt(uninformed, BE, uninformed.case_id)))


def test_another_agency_that_is_named_as_the_exporter(uninformed: Scene) -> None:
    """NL shows that somebody else was informed."""
    members = (Member(BE, (Role.EXP,)),)
    receipt = _receipt(uninformed, BE, uninformed.case_id)
    at_ms = uninformed.work.net[BE].received(uninformed.case_id)[0].received_ms
    draft = _inform(uninformed, members=members, at_ms=at_ms, **receipt)
    with pytest.raises(PolicyError, match="authority of export"):
        uninformed.work.send(NL, draft)
    uninformed.refused(NL, draft)


def test_another_time(uninformed: Scene) -> None:
    """The entry says when, and not the step."""
    case = uninformed.before.case
    assert case is not None
    uninformed.refused(NL, _inform(uninformed, at_ms=case.requested_ms - 1))


def test_the_receipt_of_another_message(uninformed: Scene) -> None:
    """The exporter was informed of that one."""
    with uninformed.work.net[GH].office.store.read() as transaction:
        (other,) = (
            row for row in transaction.inbox.every() if row.message_id != uninformed.case_id
        )
    receipt = _receipt(uninformed, GH, MessageId(other.message_id))
    uninformed.refused(NL, _inform(uninformed, at_ms=other.received_ms, **receipt))


def test_a_checkpoint_of_another_ledger(uninformed: Scene) -> None:
    """The entry does not stand there."""
    other = _receipt(uninformed, BE, uninformed.case_id)
    uninformed.refused(NL, _inform(uninformed, checkpoint=other["checkpoint"]))


def test_another_place_in_the_ledger(uninformed: Scene) -> None:
    """The entry does not stand there, either."""
    index = _receipt(uninformed, GH, uninformed.case_id)["index"]
    uninformed.refused(NL, _inform(uninformed, index=index - 1))


@pytest.mark.parametrize("missing", [0, 1])
def test_a_checkpoint_with_one_signature(uninformed: Scene, missing: int) -> None:
    """It may have been made with keys of which a card is on its way: its sender tries again."""
    note: bytes = _receipt(uninformed, GH, uninformed.case_id)["checkpoint"]
    text, _, signatures = note.partition(b"\n\n")
    lines = signatures.splitlines(keepends=True)
    assert len(lines) == 2
    del lines[missing]
    forged = text + b"\n\n" + b"".join(lines)
    uninformed.refused(NL, _inform(uninformed, checkpoint=forged), RefusalCode.NOT_IN_LEDGER)


# Case files.


def test_the_true_case_file_is_taken(scene: Scene) -> None:
    """What follows fails for what is wrong with it, and for nothing else."""
    scene.work.step(GH, scene.case_id, Action.ASK)
    scene.work.net.deliver(GH, NL)
    scene.work.send(NL, scene.file(*scene.originals()))
    scene.work.net.deliver(NL, BE)
    assert scene.work.case(BE, scene.case_id).state is State.INFO_REQUESTED


def test_a_case_file_with_a_step_in_other_words(scene: Scene) -> None:
    """Its author committed to the words."""
    last = scene.originals()[-1]
    altered = replace(last, payload=last.payload[:-1] + bytes([last.payload[-1] ^ 1]))
    scene.refused(NL, scene.file(altered), RefusalCode.COMMITMENT_MISMATCH)


def test_a_case_file_with_a_step_under_another_salt(scene: Scene) -> None:
    """Its author committed to the salt, too."""
    altered = replace(scene.originals()[-1], salt=random_bytes(32))
    scene.refused(NL, scene.file(altered), RefusalCode.COMMITMENT_MISMATCH)


def test_a_case_file_with_a_step_that_its_author_did_not_seal(scene: Scene) -> None:
    """The seal is that of another step."""
    one, *_, last = scene.originals()
    scene.refused(NL, scene.file(replace(last, seal=one.seal)), RefusalCode.BAD_SEAL)


def test_a_case_file_with_a_step_under_the_card_of_another(scene: Scene) -> None:
    """Nobody speaks for another agency."""
    theirs = next(one for one in scene.originals() if one.card != scene.originals()[0].card)
    altered = replace(theirs, card=scene.work.net[NL].card.sealed)
    scene.refused(NL, scene.file(altered), RefusalCode.BAD_SEAL)


def test_a_case_file_with_a_step_of_another_case(scene: Scene) -> None:
    """A case file is of one case."""
    other = scene.work.request(NL, GH)
    office = scene.work.net[NL].office
    with office.store.read() as transaction:
        (original,) = originals_of(office, transaction, other).values()
    scene.refused(NL, scene.file(original))


def test_a_case_file_with_an_alert(scene: Scene) -> None:
    """Only steps are handed over."""
    net = scene.work.net
    draft = Draft(alert(), (GH,), conversation_id=scene.case_id)
    message_id = share(net[NL].office, draft)
    with net[NL].office.store.read() as transaction:
        (one,) = messages_of(net[NL].office, transaction, message_id)
        original = as_original(transaction, one, *one.reveal())
    scene.refused(NL, scene.file(original))


def test_a_case_file_of_a_case_that_is_none_of_ours(bare: Casework) -> None:
    """Whoever is not in it is told nothing of it."""
    ours = bare.request(NL, GH, transit=(BE,))
    other = bare.request(NL, GH)
    bare.net.deliver(NL, BE)
    scene = Scene(bare, ours)
    office = bare.net[NL].office
    with office.store.read() as transaction:
        (original,) = originals_of(office, transaction, other).values()
    # What gives us a part may be on its way.
    file = scene.file(original, conversation_id=other)
    scene.refused(NL, file, RefusalCode.BUSY)
    with bare.net[BE].office.store.read() as transaction:
        assert transaction.cases.steps(other) == []


def test_a_case_file_with_a_step_of_an_agency_that_is_cut_off(scene: Scene) -> None:
    """Whoever is not trusted here is not believed because somebody else is."""
    net = scene.work.net
    scene.work.step(GH, scene.case_id, Action.ASK)
    net.deliver(GH, NL)
    net.revoke(BE, GH)
    scene.refused(NL, scene.file(*scene.originals()), RefusalCode.BAD_SEAL)


def test_a_case_file_with_a_step_under_a_key_that_had_ended(scene: Scene) -> None:
    """Whoever stole GH's old sealing key dates a step after its end, under GH's old card."""
    net, work = scene.work.net, scene.work
    old_seal, old_card = net[GH].office.keys.seal, net[GH].card
    rotate_all_of(net[GH], Rotatable.SEAL)
    net[GH].reopen()
    net.deliver(GH, BE)
    net.pass_time(HOUR_MS)
    draft = scene.write(GH, Action.ASK)
    with patch.object(type(net[GH].office.keys), "seal", old_seal):
        unchecked(work, GH, draft)
    with net[GH].office.store.read() as transaction:
        (sealed,) = (
            row for row in transaction.cases.steps(scene.case_id) if row.step_id not in scene.known
        )
        content = [
            one
            for step_id, one in originals_of(net[GH].office, transaction, scene.case_id).items()
            if step_id == sealed.step_id
        ]
    forged = replace(content[0], card=old_card.sealed)
    scene.refused(NL, scene.file(forged), RefusalCode.BAD_SEAL)


# Erasing and recalling.


def test_a_case_of_which_nothing_can_be_read_any_more(scene: Scene) -> None:
    """Its state does not depend on what was said; how it is handled then has to be said again."""
    work = scene.work
    steps = work.history(BE, scene.case_id).steps
    for step in steps:
        erase(work.net[BE].office, step.message_id, "Not needed any more", sender=step.sender)
    assert scene.unchanged()
    move = Move(action=Action.INCIDENT, code="DELAY", details=Details(text="Late."))
    office = work.net[BE].office
    with pytest.raises(PolicyError, match="--tlp"):
        step_draft(office, scene.case_id, move)
    work.send(BE, step_draft(office, scene.case_id, replace(move, markings=MARKS)))
    work.net.deliver(BE, NL)
    assert len(work.case(NL, scene.case_id).incidents) == 1
    check_node(office)


def test_a_step_cannot_be_recalled(scene: Scene) -> None:
    """What was said in a case stays said, on sending and on receiving."""
    work = scene.work
    step = scene.before.steps[-1]
    office = work.net[step.sender].office
    with pytest.raises(PolicyError, match="stays said") as refused:
        recall(office, step.message_id, "Said too much")
    assert refused.value.code == "NOT_RECALLABLE"
    body = Recall(step.message_id, step.step_id, "Said too much")
    draft = Draft(Payload(Markings(Tlp.AMBER_STRICT), body), (BE,), in_reply_to=step.message_id)
    scene.refused(step.sender, draft)
