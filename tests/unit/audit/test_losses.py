"""Entries that came back without their messages: said, not verified, and no place to hide."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.account import LedgerExtent, RecoveredRange, Selection
from sesn_node.audit.codes import Code
from sesn_node.audit.verdict import State
from sesn_node.audit.verify import verify
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.errors import MalformedError
from sesn_node.ledger.merkle import leaf_hash
from tests.support.bundling import Draft
from tests.support.homes import GH, NL
from tests.support.rfc6962 import ReferenceTree
from tests.support.scribes import Letter, Scribe

if TYPE_CHECKING:
    from sesn_node.audit.verdict import Check, Verdict


@dataclass
class Loss:
    """Two agencies; the Dutch one was put back from a copy, and got its entries back.

    Args:
        nl: Lost what it sent and received since.
        gh: Has all of it.
        sent: What nl lost of its own.
        received: What nl lost of gh's.
        lost: The entries that came back.
    """

    nl: Scribe
    gh: Scribe
    sent: Letter
    received: Letter
    lost: RecoveredRange

    def recover(self, start: int | None = None) -> None:
        """Append RECOVERED, as a node does, and go on."""
        book = self.nl.book
        start = self.lost.start if start is None else start
        self.nl.append(
            EntryKind.RECOVERED,
            ReferenceTree(book.entries).root(start),
            answers=EntryRef(book.origin, start - 1, leaf_hash(book.entries[start - 1])),
        )
        self.nl.deliver(self.gh, [self.nl.share(self.gh)])

    def draft(self, *, claims: bool = True) -> Draft:
        """Write the bundle of the agency that lost something."""
        draft = Draft.of(self.nl)
        gone = {self.sent.data, self.received.data}
        draft.messages = [one for one in draft.messages if one.header not in gone]
        if claims:
            draft.ledgers[0].recovered = (self.lost,)
        return draft


@pytest.fixture
def loss() -> Loss:
    """Messages both ways before the copy was taken, and both ways after it."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    gh.trust(nl)
    nl.deliver(gh, [nl.share(gh)])
    gh.deliver(nl, [gh.share(nl)])
    start = len(nl.book.entries)
    sent, received = nl.share(gh), gh.share(nl)
    nl.deliver(gh, [sent])
    gh.deliver(nl, [received])
    return Loss(nl, gh, sent, received, RecoveredRange(start, len(nl.book.entries)))


def _verify(*drafts: Draft) -> Verdict:
    return verify([BytesIO(draft.write()) for draft in drafts])


def _check(verdict: Verdict, name: str) -> Check:
    checks = (*verdict.bundles[0].checks, *verdict.matching)
    return next(check for check in checks if check.name == name)


def _failing(verdict: Verdict) -> set[tuple[str, Code]]:
    return {(check.name, finding.code) for check in verdict.checks for finding in check.findings}


def test_what_was_lost_is_neither_good_nor_a_failure(loss: Loss) -> None:
    """Nothing fails; the check could not be made, and says how much is lost and whom to ask."""
    loss.recover()
    verdict = _verify(loss.draft())
    assert not _failing(verdict)
    check = _check(verdict, "losses")
    assert check.state is State.NOT_MADE
    assert "2 messages and 1 receipt" in check.reason
    assert GH in check.reason
    (recovered,) = check.remarks
    assert (recovered.code, recovered.index) == (Code.RECOVERED, loss.lost.end)
    assert f"{loss.lost.start} to {loss.lost.end - 1}" in recovered.text
    for name in ("sent", "receipts", "received"):
        (remark,) = [one for one in _check(verdict, name).remarks if one.code is Code.CONTENT_LOST]
        assert remark.index is not None
        assert loss.lost.start <= remark.index < loss.lost.end
    (ledger,) = verdict.bundles[0].ledgers
    assert (ledger.recovered, ledger.lost) == ((loss.lost,), 3)


def test_the_partners_bundle_shows_what_was_lost(loss: Loss) -> None:
    """Matched with the partner's bundle nothing fails, and what it shows is said."""
    loss.recover()
    verdict = _verify(loss.draft(), Draft.of(loss.gh))
    assert not _failing(verdict)
    deliveries = _check(verdict, "deliveries")
    assert deliveries.state is State.HOLDS
    assert [one.code for one in deliveries.remarks].count(Code.CONTENT_LOST) == 1


def test_a_claim_that_the_ledger_does_not_record(loss: Loss) -> None:
    """Whoever only writes it into the manifest is found out: that is nobody's signed word."""
    assert ("losses", Code.NOT_RECORDED) in _failing(_verify(loss.draft()))


def test_a_claim_of_older_entries(loss: Loss) -> None:
    """What the ledger says of one place covers no other."""
    loss.recover()
    draft = loss.draft()
    draft.ledgers[0].recovered = (RecoveredRange(loss.lost.start - 1, loss.lost.end),)
    assert ("losses", Code.NOT_RECORDED) in _failing(_verify(draft))
    draft.ledgers[0].recovered = (RecoveredRange(loss.lost.start, loss.lost.end - 1),)
    assert ("losses", Code.NOT_RECORDED) in _failing(_verify(draft))


def test_a_loss_that_nobody_claims(loss: Loss) -> None:
    """Without the claim a message that is missing is missing."""
    loss.recover()
    failing = _failing(_verify(loss.draft(claims=False)))
    assert ("sent", Code.MESSAGE_MISSING) in failing
    assert ("received", Code.MESSAGE_MISSING) in failing


def test_one_message_hidden_among_those_that_are_there(loss: Loss) -> None:
    """An export holds no messages, so who still has one that it sent has lost nothing."""
    other = loss.nl.share(loss.gh)
    loss.nl.deliver(loss.gh, [other])
    loss.lost = RecoveredRange(loss.lost.start, len(loss.nl.book.entries))
    loss.recover()
    assert _failing(_verify(loss.draft())) == {("losses", Code.CONTRADICTION)}


def test_a_record_of_another_state(loss: Loss) -> None:
    """RECOVERED names root and last entry of what the database had; others are refused."""
    book = loss.nl.book
    loss.nl.append(
        EntryKind.RECOVERED,
        ReferenceTree(book.entries).root(loss.lost.start - 1),
        answers=EntryRef(
            book.origin, loss.lost.start - 1, leaf_hash(book.entries[loss.lost.start - 1])
        ),
    )
    loss.nl.checkpoint()
    failing = _failing(_verify(loss.draft()))
    assert ("losses", Code.CONTRADICTION) in failing
    assert ("losses", Code.NOT_RECORDED) in failing


def test_a_receipt_that_the_partner_never_gave(loss: Loss) -> None:
    """ACKNOWLEDGED of what is lost must answer an entry that the partner has."""
    loss.nl.about(
        EntryKind.ACKNOWLEDGED,
        loss.sent,
        answers=EntryRef(loss.gh.book.origin, 0, bytes(32)),
        agency=GH,
    )
    loss.lost = RecoveredRange(loss.lost.start, len(loss.nl.book.entries))
    loss.recover()
    verdict = _verify(loss.draft(), Draft.of(loss.gh))
    assert ("deliveries", Code.DELIVERY_MISSING) in _failing(verdict)


def test_a_blind_bundle_shows_no_claim(loss: Loss) -> None:
    """Without entries nothing of it can be checked."""
    loss.recover()
    draft = loss.draft()
    draft.selection = Selection(blind=True)
    draft.messages, draft.ledgers[0].entries = [], []
    assert _check(_verify(draft), "losses").state is State.NOT_MADE


def test_claims_out_of_bounds() -> None:
    """Ranges ascend, do not overlap, and end within the ledger."""
    origin = Scribe(NL).book.origin
    with pytest.raises(MalformedError, match="start"):
        RecoveredRange(0, 4)
    with pytest.raises(MalformedError, match="end"):
        RecoveredRange(4, 4)
    with pytest.raises(MalformedError, match="overlaps"):
        LedgerExtent(origin, 9, (RecoveredRange(1, 4), RecoveredRange(3, 5)))
    with pytest.raises(MalformedError, match="beyond"):
        LedgerExtent(origin, 9, (RecoveredRange(1, 10),))
