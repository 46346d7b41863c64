"""Officers who work on return-to-origin cases, in the offices of a network."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

from sesn_node.crypto.keys import KeyKind, generate
from sesn_node.domain.alert import Consignment, Container, Goods
from sesn_node.domain.case_messages import Details, Evidence
from sesn_node.domain.case_terms import Action, Ground, Responsibility
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.people import Role as Rank
from sesn_node.domain.people import operator_id
from sesn_node.domain.times import instant
from sesn_node.exchange.approval import approve, propose
from sesn_node.exchange.caseduties import do_case_duties
from sesn_node.exchange.casesteps import find_history
from sesn_node.exchange.casework import Move, TakeBack, request_draft, step_draft, take_step
from sesn_node.exchange.endorsing import ApprovalNeeded
from sesn_node.exchange.operators import add_operator, unlock
from sesn_node.exchange.share import share
from tests.support.network import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.domain.case_history import History
    from sesn_node.domain.case_state import Case
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.exchange.caseduties import CaseDuties
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.operators import Actor
    from sesn_node.exchange.share import Draft
    from tests.support.network import Network

MARKS = Markings(Tlp.AMBER)

REQUESTED = Details(
    subject="Cathode ray tubes declared as metal scrap",
    text="Inspection found 24 t of unsorted cathode ray tubes.",
    responsibility=Responsibility.EXPORTER,
    consignment=Consignment(
        containers=(Container("MSCU6639870"),), declared=Goods(description="Metal scrap")
    ),
    evidence=(Evidence("Inspection report", b"\1" * 32),),
)


def details_for(action: Action, now_ms: int) -> Details:
    """Return enough for any step."""
    at = instant(now_ms)
    return {
        Action.REQUEST: REQUESTED,
        Action.ACKNOWLEDGE: Details(reference="GH-2026-17"),
        Action.ACCEPT: Details(taker="Exporter Ltd, Tema", payer="Exporter Ltd, Tema"),
        Action.PROPOSE: Details(text="No ship", site="Works at Moerdijk", operation="R4"),
        Action.DOCUMENT: Details(reference="GH 000123"),
        Action.SHIP: Details(
            movement_document="GH 000123/1",
            container="MSCU6639870",
            seal="NL4711",
            imo="9074729",
            bill_of_lading="MEDU1234567",
            place="NLRTM",
        ),
        Action.ARRIVE: Details(seal="NL4711", at=at, place="GHTEM"),
        Action.RECEIVE: Details(at=at),
        Action.TREAT: Details(certificate="T-9", operation="R4", at=at),
        Action.AGREE: Details(),
        Action.CLOSE: Details(),
        Action.INVITE: Details(),
    }.get(action, Details(text="As discussed."))


class Casework:
    """Cases among the offices of a network; each agency has an officer and a supervisor.

    Args:
        net: The network.
        people: Who they are, if the homes know them already.
    """

    def __init__(
        self, net: Network, people: Mapping[AgencyId, tuple[Actor, Actor]] | None = None
    ) -> None:
        self.net = net
        self.people = dict(people or {})
        for member in net:
            if member.agency not in self.people:
                officer = _person(member.office, "anna", Rank.OFFICER, member.now_ms())
                supervisor = _person(member.office, "ben", Rank.SUPERVISOR, member.now_ms())
                self.people[member.agency] = officer, supervisor

    def send(self, agency: AgencyId, draft: Draft) -> MessageId:
        """Send a draft; if it needs a second person, that one approves it."""
        office = self.net[agency].office
        officer, supervisor = self.people[agency]
        try:
            message_id = share(replace(office, actor=officer), draft)
        except ApprovalNeeded as wanting:
            proposal = propose(replace(office, actor=officer), wanting.draft)
            message_id = approve(replace(office, actor=supervisor), proposal.draft_id)
        self.net.pass_time(1)
        return message_id

    def request(self, agency: AgencyId, exporter: AgencyId, **parts: object) -> MessageId:
        """Request a return."""
        known: dict[str, object] = {
            "exporter": exporter,
            "ground": Ground.NOT_AS_DOCUMENTED,
            "details": REQUESTED,
            "markings": MARKS,
        }
        wanted = TakeBack(**(known | parts))  # type: ignore[arg-type] # parts by name
        return self.send(agency, request_draft(self.net[agency].office, wanted))

    def step(
        self, agency: AgencyId, case_id: MessageId, action: Action, **parts: object
    ) -> MessageId:
        """Take a step; what it says is enough unless the test says more."""
        known: dict[str, object] = {
            "action": action,
            "details": details_for(action, self.net[agency].now_ms()),
        }
        move = Move(**(known | parts))  # type: ignore[arg-type] # parts by name
        return self.send(agency, step_draft(self.net[agency].office, case_id, move))

    def post(self) -> list[CaseDuties]:
        """Deliver everything among the open nodes, and let each do its duties until nothing moves.

        Returns what the nodes did, in the order of the network, one round after the other.
        """
        rounds: list[CaseDuties] = []
        while True:
            serving = [member for member in self.net if member.is_open]
            for sender, receiver in permutations(serving, 2):
                self.net.deliver(sender.agency, receiver.agency)
            done = [do_case_duties(member.office) for member in serving]
            assert not any(one.failed for one in done)
            rounds += done
            if not any(one.informed + one.filed for one in done):
                return rounds
            self.net.pass_time(1)

    def history(self, agency: AgencyId, case_id: MessageId) -> History:
        """Return a case as an agency sees it."""
        with self.net[agency].office.store.read() as transaction:
            return find_history(transaction, case_id)

    def case(self, agency: AgencyId, case_id: MessageId) -> Case:
        """Return a case as an agency sees it."""
        found = self.history(agency, case_id).case
        assert found is not None
        return found


def _person(office: Office, name: str, rank: Rank, now_ms: int) -> Actor:
    key = generate(
        KeyKind.OPERATOR,
        created_ms=now_ms,
        not_before_ms=now_ms,
        not_after_ms=now_ms + 3_000 * DAY_MS,
    )
    who = operator_id(name)
    add_operator(office, who, rank, key)
    return unlock(office, who, key)


__all__ = ["MARKS", "REQUESTED", "Casework", "details_for", "take_step"]
