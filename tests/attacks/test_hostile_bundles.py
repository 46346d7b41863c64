"""Bundles that are made to mislead or to break the verifier: each ends in a verdict that fails."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit.codes import Code
from sesn_node.audit.records import BundleCosignature, Sent
from sesn_node.audit.verdict import KEPT_FINDINGS
from sesn_node.audit.verify import verify
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import ledger_origin
from sesn_node.ledger.policyfile import parse_policy
from tests.support.bundling import Draft
from tests.support.homes import BE, GH, NL
from tests.support.scribes import SEED_OF_AN_IMPOSTOR, Scribe

if TYPE_CHECKING:
    from sesn_node.audit.verdict import Verdict


@pytest.fixture
def nl() -> Scribe:
    """An agency that delivered one message to gh.epa, and has another on its way."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    gh.trust(nl)
    nl.deliver(gh, [nl.share(gh)])
    nl.share(gh)
    nl.checkpoint()
    return nl


def _audit(draft: Draft) -> Verdict:
    return verify([BytesIO(draft.write())])


def _codes(verdict: Verdict) -> set[Code]:
    return {finding.code for check in verdict.checks for finding in check.findings}


def test_a_message_in_a_ledger_that_is_not_there(nl: Scribe) -> None:
    """Its proof would be in another epoch, which the bundle does not have."""
    draft = Draft.of(nl)
    draft.messages.append(replace(draft.messages[-1], origin=ledger_origin(NL, 2)))
    assert Code.CONTRADICTION in _codes(_audit(draft))


def test_a_message_in_the_ledger_of_another_agency(nl: Scribe) -> None:
    """The epoch is the same; the owner is not."""
    draft = Draft.of(nl)
    draft.messages[0] = replace(draft.messages[0], origin=ledger_origin(GH, 1))
    assert _codes(_audit(draft)) >= {Code.CONTRADICTION, Code.MESSAGE_MISSING}


def test_a_message_beyond_the_end_of_the_ledger(nl: Scribe) -> None:
    """There is no leaf to hold it against."""
    draft = Draft.of(nl)
    draft.messages[-1] = replace(draft.messages[-1], entry_index=2**62)
    assert _codes(_audit(draft)) >= {Code.CONTRADICTION, Code.MESSAGE_MISSING}


def test_a_proof_for_an_index_beyond_its_tree(nl: Scribe) -> None:
    """Numbers as large as the format allows."""
    draft = Draft.of(nl)
    way = draft.messages[0].way
    assert isinstance(way, Sent)
    receipt = way.copies[0].receipt
    assert receipt is not None
    for changes in ({"index": 2**63 - 1}, {"size": 2**63 - 1}, {"proof": (bytes(32),) * 63}):
        received = replace(receipt.received, **changes)
        copy = replace(way.copies[0], receipt=replace(receipt, received=received))
        draft.messages[0] = replace(draft.messages[0], way=Sent((copy,)))
        assert _codes(_audit(draft)) & {Code.RECEIPT_INVALID, Code.CHECKPOINT_MISSING}


def test_a_thousand_forged_cosignatures(nl: Scribe) -> None:
    """All are counted; few are kept, so that nobody has to read them all."""
    draft = Draft.of(nl)
    lines = next(one for one in draft.checkpoints if one.cosignatures).cosignatures[0].lines
    names = sorted(f"de.p{number}" for number in range(1000))
    forged = tuple(BundleCosignature(name, lines) for name in names)  # type: ignore[arg-type]
    draft.checkpoints[-1] = replace(draft.checkpoints[-1], cosignatures=forged)
    check = next(one for one in _audit(draft).checks if one.name == "cosignatures")
    assert check.failed == 1000
    assert len(check.findings) == KEPT_FINDINGS


def test_an_invented_witness_does_not_make_a_quorum(nl: Scribe) -> None:
    """Its card, root and cosignatures are the owner's own make: the policy knows other keys."""
    real, invented = Scribe(BE), Scribe(BE, SEED_OF_AN_IMPOSTOR)
    nl.trust(invented)
    head = nl.checkpoint()
    nl.cosignatures[head.origin, head.size] = {BE: invented.cosign(head)}
    data = Draft.of(nl).write()
    keys = real.card.witness_keys
    policy = parse_policy(
        f"witness one {keys.ed25519_key.vkey()}\nwitness two {keys.mldsa44_key.vkey()}\n"
        "group both all one two\nquorum both\n".encode()
    )
    assert verify([BytesIO(data)]).holds  # By itself: that is what a policy is for.
    assert _codes(verify([BytesIO(data)], policy)) == {Code.NO_QUORUM}
    (_, identity, _) = verify([BytesIO(data)], policy).bundles[0].identities
    assert identity.fingerprints == (invented.card.fingerprint,)


def test_a_ledger_of_another_agency_as_ones_own(nl: Scribe) -> None:
    """The manifest gives the bundle to another agency than its ledger and cards."""
    draft = Draft.of(nl)
    draft.agency = GH
    draft.ledgers[0].origin = ledger_origin(GH, 1)
    assert not _audit(draft).holds


def test_a_view_of_the_future(nl: Scribe) -> None:
    """An entry that answers one that comes after it."""
    letter = next(iter(nl.sent.values()))
    later = replace(letter.shared, index=len(nl.book.entries) + 5)
    nl.about(EntryKind.VIEWED, letter, answers=later)
    nl.checkpoint()
    assert Code.ANSWERS_NOTHING in _codes(_audit(Draft.of(nl)))


def test_bundles_of_one_agency_are_not_matched_as_partners(nl: Scribe) -> None:
    """The same bundle twice is one history, and no delivery of anybody to itself."""
    data = Draft.of(nl).write()
    verdict = verify([BytesIO(data), BytesIO(data)])
    assert verdict.holds
    counts = {check.name: check.count for check in verdict.matching}
    assert counts["one-history"] > 0
    assert counts["deliveries"] == counts["kept-by-partners"] == 0


def test_two_agencies_that_share_a_ledger_name(nl: Scribe) -> None:
    """A checkpoint of our ledger under the partner's keys counts for nobody."""
    draft = Draft.of(nl)
    gh = Scribe(GH)
    forged = replace(draft.checkpoints[-1], note=gh.sign(nl.book.head()))
    draft.checkpoints[-1] = forged
    assert _codes(_audit(draft)) >= {Code.CHECKPOINT_INVALID, Code.CHECKPOINT_MISSING}
