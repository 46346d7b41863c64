"""What `sesn doctor` says of partners: by the database, and by what greeting them came to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sesn_node.cli.doctor_partners import Ourselves, check_partners
from sesn_node.domain.cards import Contact
from sesn_node.exchange.checkup import Diagnosis, Grade, PartnerFacts
from sesn_node.store.peers import LinkRow
from sesn_node.transport.probe import Echo, Failing, Failure, Probed
from tests.support.commands import assert_commands_exist
from tests.support.homes import BE, DE, GH, NL

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.trust.card import TrustedCard
    from tests.support.homes import Homes

_HOUR_MS = 60 * 60 * 1000
_DAY_MS = 24 * _HOUR_MS
_ENDPOINT = "127.0.0.1:7443"


@pytest.fixture
def us(homes: Homes) -> Ourselves:
    """The Netherlands, a day after they were founded."""
    card = homes.card(NL)
    return Ourselves(card, 100, 600_000, "sesn --home nl", card.card.issued_ms + _DAY_MS)


def _facts(homes: Homes, agency: AgencyId = GH, **changes: object) -> PartnerFacts:
    """A partner in order, but for what the test says."""
    facts = PartnerFacts(
        card=homes.card(agency),
        link=LinkRow(agency, connected_ms=1, witnessed_size=100),
        queued=0,
        oldest_ms=None,
        ended=(),
        unwitnessed_ms=None,
        is_open=True,
    )
    # `replace` takes whatever fields the test names.
    return replace(facts, **changes)  # type: ignore[arg-type]


def _echo(offset_ms: int | None = 0, cosigned: bytes = b"") -> Echo:
    return Echo(_ENDPOINT, "0.1.0", offset_ms, 3, b"", cosigned)


def _answered(facts: PartnerFacts, echo: Echo | None = None) -> dict[str, Probed]:
    return {facts.card.agency: Probed(facts.card, echo or _echo(), ())}


def _failed(facts: PartnerFacts, *failings: Failing) -> dict[str, Probed]:
    failures = tuple(Failure(_ENDPOINT, one, "what it said") for one in failings)
    return {facts.card.agency: Probed(facts.card, None, failures)}


def _one(found: list[Diagnosis], check: str) -> Diagnosis:
    (one,) = [item for item in found if item.check == check]
    return one


def _bad(found: list[Diagnosis]) -> list[str]:
    for one in found:
        # Whatever is wrong can be put right, or at least looked into.
        assert bool(one.remedy) == (one.grade is not Grade.OK), one
        assert_commands_exist(" ".join(one.remedy))
    return [one.check for one in found if one.grade is not Grade.OK]


def _without_address(card: TrustedCard) -> TrustedCard:
    return replace(card, card=replace(card.card, endpoints=()))


def test_a_partner_in_order(us: Ourselves, homes: Homes) -> None:
    """One line for the partner, one for the clocks."""
    facts = _facts(homes)
    found = check_partners(us, [facts], _answered(facts))
    assert _bad(found) == []
    assert [one.check for one in found] == ["partner", "clock"]
    assert "version 0.1.0" in found[0].text


def test_nobody_was_asked(us: Ourselves, homes: Homes) -> None:
    """Offline, a partner in order is not mentioned: nothing is known of it."""
    assert check_partners(us, [_facts(homes)], {}) == []


def test_no_partner(us: Ourselves) -> None:
    """Without partners a node is of no use; it is told how to begin."""
    found = check_partners(us, [], {})
    assert _bad(found) == ["partner"]
    assert "peer add" in found[0].remedy[0]


@pytest.mark.parametrize(
    ("failing", "grade", "words"),
    [
        (Failing.UNREACHABLE, Grade.WARNING, "nc -vz 127.0.0.1 7443"),
        (Failing.CLOSED, Grade.FAILED, "card export"),
        (Failing.NOT_US, Grade.FAILED, "card export"),
        (Failing.NOT_THEM, Grade.FAILED, "peer revoke gh.epa"),
        (Failing.ANSWER, Grade.FAILED, "outbox list"),
    ],
)
def test_a_partner_that_does_not_answer(
    us: Ourselves, homes: Homes, failing: Failing, grade: Grade, words: str
) -> None:
    """Each way of not answering has a remedy of its own."""
    facts = _facts(homes)
    found = check_partners(us, [facts], _failed(facts, failing))
    assert _bad(found) == ["partner"]
    one = _one(found, "partner")
    assert one.grade is grade
    assert words in " ".join(one.remedy)
    assert "what it said" in one.text


def test_what_tells_most_decides(us: Ourselves, homes: Homes) -> None:
    """Of several endpoints an impostor counts for more than one that is silent."""
    facts = _facts(homes)
    probed = _failed(facts, Failing.NOT_THEM, Failing.UNREACHABLE)
    one = _one(check_partners(us, [facts], probed), "partner")
    assert one.grade is Grade.FAILED
    assert "has not proven" in one.text


def test_whom_to_call(us: Ourselves, homes: Homes) -> None:
    """The telephone number of the partner's card stands where somebody needs it."""
    card = homes.card(GH)
    contact = Contact(focal_point="Duty desk", phone="+233 30 266 4697")
    card = replace(card, card=replace(card.card, contact=contact))
    facts = _facts(homes, card=card)
    one = _one(check_partners(us, [facts], _failed(facts, Failing.UNREACHABLE)), "partner")
    assert "gh.epa (Duty desk, +233 30 266 4697)" in " ".join(one.remedy)


def test_only_one_of_its_endpoints_answers(us: Ourselves, homes: Homes) -> None:
    """An endpoint on the card that does not answer is told; the link stands."""
    facts = _facts(homes)
    dead = Failure("dead:1", Failing.UNREACHABLE, "refused")
    probed = {str(GH): Probed(facts.card, _echo(), (dead,))}
    found = check_partners(us, [facts], probed)
    assert _bad(found) == ["partner"]
    assert "dead:1" in found[1].text


@pytest.mark.parametrize(
    ("began_hours", "ended_hours", "serves", "grade", "words"),
    [
        (None, None, True, Grade.WARNING, "has not dialled us yet"),
        (1, None, True, Grade.OK, "has no address; collects from us now, since 20"),
        (500, None, True, Grade.OK, "has no address; collects from us now, since 20"),
        (500, None, False, Grade.OK, "it dialled us last at 20"),
        (500, 1, True, Grade.OK, "collected from us until 20"),
        (500, 30, True, Grade.WARNING, "collected from us until 20"),
    ],
)
def test_a_partner_that_dials_us(  # noqa: PLR0917 - fixtures and parameters add up
    us: Ourselves,
    homes: Homes,
    began_hours: int | None,
    ended_hours: int | None,
    serves: bool,
    grade: Grade,
    words: str,
) -> None:
    """Nobody can ask it, so what counts is since when it is gone; not how long it was here."""
    began_ms = None if began_hours is None else us.now_ms - began_hours * _HOUR_MS
    ended_ms = None if ended_hours is None else us.now_ms - ended_hours * _HOUR_MS
    link = LinkRow(GH, connected_ms=began_ms, witnessed_size=100, ended_ms=ended_ms)
    facts = _facts(homes, card=_without_address(homes.card(GH)), link=link)
    one = _one(check_partners(replace(us, serves=serves), [facts], {}), "partner")
    assert one.grade is grade
    assert words in one.text


def test_neither_side_can_dial(us: Ourselves, homes: Homes) -> None:
    """Two nodes that only dial out never meet; one of them has to listen."""
    facts = _facts(homes, card=_without_address(homes.card(GH)))
    us = replace(us, own=_without_address(us.own))
    one = _one(check_partners(us, [facts], {}), "partner")
    assert one.grade is Grade.FAILED
    assert "node.listen" in one.remedy[0]


@pytest.mark.parametrize(
    ("offset_ms", "grade", "words"),
    [
        (0, Grade.OK, "agrees"),
        (-400, Grade.OK, "agrees"),
        (5_000, Grade.OK, "5.0 s behind"),
        (-45_000, Grade.WARNING, "45.0 s ahead of"),
        (700_000, Grade.FAILED, "700.0 s behind"),
    ],
)
def test_our_clock(us: Ourselves, homes: Homes, offset_ms: int, grade: Grade, words: str) -> None:
    """Held against a partner's; from ten minutes on, messages are refused."""
    facts = _facts(homes)
    one = _one(check_partners(us, [facts], _answered(facts, _echo(offset_ms))), "clock")
    assert (one.grade, words in one.text) == (grade, True), one


def test_one_clock_of_many(us: Ourselves, homes: Homes) -> None:
    """If most partners agree with each other, the one that does not is wrong, and not we."""
    probed: dict[str, Probed] = {}
    partners = [_facts(homes, agency) for agency in (GH, BE, DE)]
    for facts, offset_ms in zip(partners, (20, 90_000, -10), strict=True):
        probed |= _answered(facts, _echo(offset_ms))
    found = check_partners(us, partners, probed)
    wrong = [one for one in found if one.check == "clock" and one.grade is not Grade.OK]
    assert [(one.subject, one.grade) for one in wrong] == [(BE, Grade.WARNING)]
    assert "90.0 s ahead of" in wrong[0].text


def test_a_partner_that_does_not_tell_the_time(us: Ourselves, homes: Homes) -> None:
    """An older node does not say; then nothing is said of the clock."""
    facts = _facts(homes)
    found = check_partners(us, [facts], _answered(facts, _echo(None)))
    assert [one.check for one in found] == ["partner"]


@pytest.mark.parametrize(
    ("days", "grade"), [(61, None), (59, Grade.WARNING), (13, Grade.FAILED), (-1, Grade.FAILED)]
)
def test_card_of_a_partner(us: Ourselves, homes: Homes, days: int, grade: Grade | None) -> None:
    """A partner whose card ends is to issue another."""
    facts = _facts(homes)
    now_ms = facts.card.card.expires_ms - days * _DAY_MS - 1
    found = check_partners(replace(us, now_ms=now_ms), [facts], {})
    assert [one.grade for one in found] == ([] if grade is None else [grade])


def test_what_waits_for_long(us: Ourselves, homes: Homes) -> None:
    """Messages that wait for more than a day may need a telephone call."""
    facts = _facts(homes, queued=3, oldest_ms=us.now_ms - 25 * _HOUR_MS)
    one = _one(check_partners(us, [facts], {}), "backlog")
    assert "3 messages wait for it, the oldest for 25 hours" in one.text
    facts = _facts(homes, queued=3, oldest_ms=us.now_ms - 23 * _HOUR_MS)
    assert check_partners(us, [facts], {}) == []


def test_what_ended_without_a_receipt(us: Ourselves, homes: Homes) -> None:
    """Dead letters are told, with the command that tries them again."""
    facts = _facts(homes, ended=(("dead", 2), ("expired", 1)))
    one = _one(check_partners(us, [facts], {}), "ended")
    assert "2 dead, 1 expired" in one.text
    assert "outbox requeue ID" in one.remedy[0]


def test_open_circuit(us: Ourselves, homes: Homes) -> None:
    """What deliveries meet is told, unless the greeting has just met the same."""
    link = LinkRow(GH, failures=7, error="it hung up", witnessed_size=100)
    facts = _facts(homes, link=link)
    for probed in ({}, _answered(facts)):
        one = _one(check_partners(us, [facts], probed), "circuit")
        assert "7 attempts" in one.text
        assert "it hung up" in one.text
    assert _bad(check_partners(us, [facts], _failed(facts, Failing.UNREACHABLE))) == ["partner"]


@pytest.mark.parametrize(("days", "told"), [(29, False), (31, True)])
def test_what_a_partner_has_not_cosigned(
    us: Ourselves, homes: Homes, days: int, told: bool
) -> None:
    """Entries that nobody has cosigned for long could be rewritten unnoticed."""
    link = LinkRow(GH, connected_ms=1, witnessed_size=40)
    facts = _facts(homes, link=link, unwitnessed_ms=us.now_ms - days * _DAY_MS - 1)
    found = check_partners(us, [facts], {})
    assert _bad(found) == (["witness"] if told else [])
    if told:
        assert "40 of our 100 entries" in found[0].text


def test_unproven_claim_of_an_old_copy(us: Ourselves, homes: Homes) -> None:
    """A partner cannot make us believe that we are an old copy without our own signatures."""
    facts = _facts(homes)
    echo = _echo(cosigned=b"nl.customs.sesn/ledger/1\n9999\nAAAA\n\nnonsense\n")
    assert _bad(check_partners(us, [facts], _answered(facts, echo))) == []
