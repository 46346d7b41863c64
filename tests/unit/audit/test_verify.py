"""The verifier's own promises: what it says of what it cannot read, and how a verdict is shown."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from sesn_node.audit import subjects
from sesn_node.audit.account import Selection
from sesn_node.audit.codes import Code
from sesn_node.audit.tally import Problem, Tally
from sesn_node.audit.tree import roots_at
from sesn_node.audit.verdict import KEPT_FINDINGS, State
from sesn_node.audit.verify import verify
from sesn_node.domain.entries import EntryKind
from sesn_node.domain.ids import show_message_id
from sesn_node.errors import MalformedError, StorageError
from sesn_node.ledger.merkle import leaf_hash
from tests.support.bundling import Draft
from tests.support.homes import GH, NL
from tests.support.rfc6962 import ReferenceTree
from tests.support.scribes import Scribe
from tests.support.trees import entries


@pytest.fixture(scope="module")
def pair() -> tuple[Scribe, Scribe]:
    """Two agencies; one message is delivered."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    gh.trust(nl)
    nl.deliver(gh, [nl.share(gh)])
    return nl, gh


def test_roots_of_many_sizes() -> None:
    """As RFC 6962 section 2.1 defines them, however the leaves are cut into chunks."""
    data = entries(70)
    tree = ReferenceTree(data)
    leaves = [leaf_hash(one) for one in data]
    for seed in range(20):
        chance = random.Random(seed)
        sizes = chance.sample(range(71), chance.randrange(1, 20))
        cut = sorted(chance.choices(range(71), k=4))
        chunks = [
            b"".join(leaves[start:end]) for start, end in zip([0, *cut], [*cut, 70], strict=True)
        ]
        assert roots_at(chunks, sizes) == {size: tree.root(size) for size in {*sizes, 70}}


def test_sizes_beyond_the_leaves_have_no_root() -> None:
    """They are left out, and the size of the whole is there all the same."""
    assert set(roots_at([leaf_hash(b"x")], [0, 7])) == {0, 1}
    assert set(roots_at([], [3])) == {0}


@pytest.mark.parametrize("data", [b"", b"PK", b"\0" * 100_000, bytes(range(256)) * 40])
def test_what_is_no_bundle(data: bytes) -> None:
    """A verdict, and no error: one check fails, and no other could be made."""
    verdict = verify([BytesIO(data)])
    assert not verdict.holds
    assert not verdict.readable
    container, *others = verdict.bundles[0].checks
    assert [finding.code for finding in container.findings] == [Code.UNREADABLE]
    assert all(check.state is State.NOT_MADE and check.reason for check in others)


def test_one_bad_file_does_not_hide_the_others(pair: tuple[Scribe, Scribe]) -> None:
    """Each bundle has its own verdict, in the order given."""
    good = Draft.of(pair[0]).write()
    verdict = verify([BytesIO(b"no bundle"), BytesIO(good)])
    assert [one.agency for one in verdict.bundles] == [None, NL]
    assert all(check.failed == 0 for check in verdict.bundles[1].checks)


def test_nothing_at_all_does_not_hold() -> None:
    """An audit of no bundle is not a good one."""
    assert not verify([]).holds


def test_every_check_is_in_a_verdict(pair: tuple[Scribe, Scribe]) -> None:
    """By number; a program finds each, made or not."""
    verdict = verify([BytesIO(Draft.of(one).write()) for one in pair])
    assert verdict.holds
    for bundle in verdict.bundles:
        assert [one.number for one in bundle.checks] == [*range(1, 17), 23, 24]
    assert [one.number for one in verdict.matching] == [*range(17, 23), 25]
    shown = json.loads(json.dumps(verdict.json()))
    assert shown["holds"] is True
    assert shown["bundles"][0]["agency"] == NL
    assert len(shown["bundles"][0]["checks"]) == 18
    assert verdict.bundles[0].identities[0].fingerprints == (pair[0].card.fingerprint,)


def test_the_documents_list_every_check() -> None:
    """By number and name, in order."""
    path = Path(__file__).parents[3] / "docs" / "spec" / "audit-checks.md"
    rows = re.findall(r"^\| (\d+) \| ([a-z-]+) \|", path.read_text("utf-8"), re.MULTILINE)
    checks = sorted((*subjects.OF_A_BUNDLE, *subjects.OF_SEVERAL), key=lambda check: check.number)
    assert rows == [(str(check.number), check.name) for check in checks]


def test_a_bundle_from_the_future_is_remarked_on(pair: tuple[Scribe, Scribe]) -> None:
    """It may be the auditor's clock, so it is no finding."""
    data = Draft.of(pair[0]).write()
    verdict = verify([BytesIO(data)], now_ms=1)
    assert verdict.holds
    assert [one.code for one in verdict.bundles[0].checks[0].remarks] == [Code.TIME_IMPLAUSIBLE]


def test_a_tree_that_no_checkpoint_signs_is_not_said_to_hold(pair: tuple[Scribe, Scribe]) -> None:
    """Leaves that nothing vouches for hash to some root: there is nothing to compare it with."""
    draft = Draft.of(pair[0])
    origin, size = draft.ledgers[0].origin, len(draft.ledgers[0].leaves)
    draft.checkpoints = [one for one in draft.checkpoints if one.origin != origin]
    tree = verify([BytesIO(draft.write())]).bundles[0].checks[3]
    assert (tree.state, tree.failed) == (State.NOT_MADE, 0)
    assert f"no checkpoint of {origin} at size {size} verifies" in tree.reason


def test_earlier_checkpoints_are_compared_though_the_newest_is_missing() -> None:
    """What is signed of a prefix is held against the leaves, and may still fail."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    gh.trust(nl)
    nl.deliver(gh, [nl.share(gh)])
    draft = Draft.of(nl)
    size = len(draft.ledgers[0].leaves)
    draft.checkpoints = [one for one in draft.checkpoints if one.size != size]
    assert [one for one in draft.checkpoints if one.origin == draft.ledgers[0].origin]
    assert verify([BytesIO(draft.write())]).bundles[0].checks[3].state is State.NOT_MADE
    draft.ledgers[0].leaves[0] = bytes(32)
    tree = verify([BytesIO(draft.write())]).bundles[0].checks[3]
    assert tree.state is State.FAILS
    assert {one.code for one in tree.findings} == {Code.NOT_A_PREFIX}


def test_a_clock_that_was_set_back_is_remarked_on() -> None:
    """An hour back: each step once, with its entry and amount; what follows goes by the clock."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    nl.share(gh)
    nl.now_ms -= 3_600_000
    first = nl.share(gh).shared.index
    nl.share(gh)
    nl.checkpoint()
    verdict = verify([BytesIO(Draft.of(nl).write())])
    assert verdict.holds
    entries_ = verdict.bundles[0].checks[4]
    assert entries_.state is State.HOLDS
    (remark,) = entries_.remarks
    assert (remark.code, remark.index) == (Code.TIME_BACKWARDS, first)
    assert "0 h 59 min 59 s before an earlier entry" in remark.text


def test_a_clock_that_drifts_back_slowly_is_remarked_on() -> None:
    """Steps that are small each, and more than clocks differ together."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    for _ in range(4):
        nl.share(gh)
        nl.now_ms -= 10 * 60_000
    nl.now_ms += 40 * 60_000
    nl.checkpoint()
    entries_ = verify([BytesIO(Draft.of(nl).write())]).bundles[0].checks[4]
    assert [one.code for one in entries_.remarks] == [Code.TIME_BACKWARDS]


def test_cards_that_are_left_out_in_between() -> None:
    """A partner's card 2 was never seen here: 1 and 3 cannot be tied together, which is said."""
    nl, gh = Scribe(NL), Scribe(GH)
    nl.trust(gh)
    gh.next_card()
    gh.next_card()
    nl.now_ms = gh.now_ms
    nl.keep_card(gh.card)
    verdict = verify([BytesIO(Draft.of(nl).write())])
    assert verdict.holds
    assert [one.code for one in verdict.bundles[0].checks[1].remarks] == [Code.CARD_GAP]


def test_a_second_ledger_goes_on_from_the_first() -> None:
    """EPOCH names the last entry and the root; a message of before is acknowledged after."""
    nl, gh = Scribe(NL, 3), Scribe(GH, 3)
    nl.trust(gh)
    gh.trust(nl)
    letter = nl.share(gh)
    head = nl.checkpoint()
    shared = nl.book.prove([letter.shared], head.size)
    gh.notes[head.origin, head.size] = nl.notes[head.origin, head.size]
    nl.cosignatures[head.origin, head.size] = {GH: gh.cosign(head)}
    ref = gh.about(EntryKind.RECEIVED, letter, answers=letter.shared, agency=NL)
    nl.new_epoch()
    nl.settle(gh, [letter], [ref], gh.checkpoint(), head.size)
    nl.about(EntryKind.VIEWED, letter, answers=letter.shared)
    nl.checkpoint()
    assert len(shared) == 1
    verdict = verify([BytesIO(Draft.of(nl).write())])
    assert [one.code for check in verdict.checks for one in check.findings] == []
    assert verdict.bundles[0].checks[5].count == 2


def test_a_blind_bundle_shows_what_it_can(pair: tuple[Scribe, Scribe]) -> None:
    """Seals, receipts and the tree hold; what needs entries is said not to be made."""
    draft = Draft.of(pair[0])
    draft.selection = Selection(blind=True)
    draft.ledgers[0].entries = []
    verdict = verify([BytesIO(draft.write())])
    states = {check.name: check.state for check in verdict.bundles[0].checks}
    assert verdict.holds
    assert states["tree"] is states["receipts"] is State.HOLDS
    assert states["entries"] is states["epochs"] is states["acts"] is State.NOT_MADE


def test_a_blind_bundle_binds_receipts_to_its_leaves(pair: tuple[Scribe, Scribe]) -> None:
    """A receipt names the leaf of the entry that is left out."""
    draft = Draft.of(pair[0])
    draft.selection = Selection(blind=True)
    draft.ledgers[0].entries = []
    draft.messages[0] = replace(draft.messages[0], entry_index=0)
    verdict = verify([BytesIO(draft.write())])
    assert not verdict.holds


class _Failing(BytesIO):
    """A file whose disk fails after it was opened."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, f"Input/output error after {size}")


def test_a_failing_disk_is_no_finding() -> None:
    """It says nothing of the bundle, so it is raised."""
    with pytest.raises(OSError, match="Input/output"):
        verify([_Failing(b"PK")])


def _fail(error: Exception) -> None:
    raise error


def test_a_tally_counts_everything_and_keeps_the_first() -> None:
    """An error within a case is its finding; errors that are not ours go through."""
    tally = Tally(subjects.TREE)
    for index in range(KEPT_FINDINGS + 3):
        with tally.case(Code.ROOT_MISMATCH, "leaves.bin", index):
            _fail(MalformedError(f"no. {index}\x1b[2J\n of many"))
    with tally.case(Code.ROOT_MISMATCH):
        _fail(Problem(Code.FORK, "its own code"))
    check = tally.result()
    assert (check.state, check.count, check.failed) == (State.FAILS, 9, 9)
    assert len(check.findings) == KEPT_FINDINGS
    assert check.findings[0].text == "no. 0[2J of many"
    assert check.findings[2].place == "leaves.bin #2"
    with tally.case(Code.FORK):
        _fail(StorageError("ours"))
    assert tally.failed == 10


def test_an_error_that_is_not_ours_goes_through() -> None:
    """It is a fault of the verifier, and no finding about the bundle."""
    with pytest.raises(ValueError, match="not ours"), Tally(subjects.TREE).case(Code.FORK):
        raise ValueError("not ours")


def test_a_place_names_the_message(pair: tuple[Scribe, Scribe]) -> None:
    """People and programs see the id as everywhere else."""
    tally = Tally(subjects.SENT)
    message_id = next(iter(pair[0].sent))
    tally.fail(Code.SEAL_INVALID, "broken", "messages.pb", 3, message_id)
    (finding,) = tally.result().findings
    assert finding.place == f"messages.pb #3 message {show_message_id(message_id)}"
    assert finding.json()["message"] == show_message_id(message_id)
