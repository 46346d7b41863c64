"""One container, from a doubt to a recall: what the node asks of people, and does for them.

Every step calls what the command of the same name calls, and fails unless it ends as told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sesn_node.codes.consignment import check_alert
from sesn_node.demo.cast import BE, GH, NL
from sesn_node.demo.container import NUMBER, REASON, TYPED, passage, suspicion, twin
from sesn_node.demo.network import wait_until
from sesn_node.domain.alert import Container
from sesn_node.domain.conversation import DestructionOutcome
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.findings import Result
from sesn_node.domain.markings import Markings, Passing, Tlp
from sesn_node.domain.payload import MessageKind, Payload
from sesn_node.domain.people import Act, Role, operator_id
from sesn_node.domain.terms import Sought
from sesn_node.domain.times import minute_of
from sesn_node.domain.tracking import Doubt
from sesn_node.errors import PolicyError, VerificationError
from sesn_node.exchange.approval import approve, propose
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.endorsing import ApprovalNeeded
from sesn_node.exchange.forwarding import forward
from sesn_node.exchange.onward import NOT_GRANTED
from sesn_node.exchange.preview import preview
from sesn_node.exchange.reach import reach
from sesn_node.exchange.recall import recall
from sesn_node.exchange.related import related
from sesn_node.exchange.share import Draft, share
from sesn_node.exchange.talk import say
from sesn_node.exchange.viewing import shown_of, view_alert, viewed
from sesn_node.exchange.whereabouts import whereabouts
from sesn_node.trust.people import verify_endorsements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sesn_node.demo.network import Station
    from sesn_node.demo.screen import Screen
    from sesn_node.domain.alert import Alert
    from sesn_node.domain.findings import Finding
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.tracking import Track
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.reach import Reached

_TO: Final = (BE, GH)
_RED: Final = Markings(Tlp.RED, purpose="To stop this container, and nothing else")
_OFFICER: Final = operator_id("k7")
_SUPERVISOR: Final = operator_id("s2")
_BEAT_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class Figures:
    """What the act came to. It fails unless each step ends as told.

    Args:
        approved: Messages that a second person let go.
        related: Messages that the node found to name the same container.
        impossible_jumps: Places of its track that cannot both be true.
        forwards_refused: Attempts to pass on what must not be.
        recalled: Messages that were withdrawn.
        destruction_receipts: Agencies whose nodes say that they destroyed it.
    """

    approved: int
    related: int
    impossible_jumps: int
    forwards_refused: int
    recalled: int
    destruction_receipts: int


class ActOne:
    """Plays the act.

    Args:
        stations: The agencies; they serve, and trust each other.
        screen: Where it is shown.
    """

    def __init__(self, stations: Mapping[AgencyId, Station], screen: Screen) -> None:
        self._stations = stations
        self._screen = screen
        self._now = datetime.now(UTC).replace(microsecond=0)

    def play(self) -> tuple[MessageId, Figures]:
        """Play it.

        Returns:
            The alert that was recalled, and what the act came to.

        Raises:
            SesnError: Something did not go as it should.
        """
        self._screen.act(
            "One container, from a doubt to a recall",
            "A warning can do harm: by a slip of the pen, in the wrong hands, or once it proves "
            "false. The node checks what is written, keeps to the marks, and takes it back.",
        )
        officer = self._stations[NL].hire(_OFFICER, Role.OFFICER)
        supervisor = self._stations[NL].hire(_SUPERVISOR, Role.SUPERVISOR)
        payload = Payload(_RED, self._write())
        self._preview(payload)
        alert_id = self._release(officer, supervisor, payload)
        told = self._hear()
        found = self._relate(alert_id)
        jumps = self._follow()
        refused = self._forward(officer, told)
        recalled, receipts = self._recall(officer, alert_id)
        return alert_id, Figures(
            approved=1,
            related=found,
            impossible_jumps=jumps,
            forwards_refused=refused,
            recalled=recalled,
            destruction_receipts=receipts,
        )

    def _write(self) -> Alert:
        """The check finds a slip of the pen, and says what is wrong."""
        alert = suspicion(self._now)
        doubts = _doubts(alert, self._now)
        if [one.observed for one in doubts] != [TYPED]:
            raise VerificationError(f"the check of {TYPED} found {len(doubts)} doubts, not just it")
        self._screen.odd(
            f"{_OFFICER} types container {TYPED}: {doubts[0].reason}. Two digits were swapped"
        )
        consignment = alert.consignment
        if consignment is None:
            raise AssertionError  # The suspicion names a container.
        (container,) = consignment.containers
        right = replace(consignment, containers=(Container(NUMBER, container.seal),))
        alert = replace(alert, consignment=right)
        if _doubts(alert, self._now):
            raise VerificationError(f"the check of {NUMBER} found doubts")
        self._screen.good(f"{NUMBER}, as painted on the box: nothing is doubtful any more")
        self._screen.let_read(_BEAT_S)
        return alert

    def _preview(self, payload: Payload) -> None:
        """Before anything leaves: who would read it, and what they may do."""
        found = preview(self._stations[NL].office, payload, _TO)
        who = " and ".join(one.card.agency for one in found.readers)
        if found.allowed.passing is not Passing.NEVER or any(one.onward for one in found.readers):
            raise VerificationError("the preview says that a recipient may pass on what is RED")
        self._screen.good(
            f"Preview: {who} will see it, {found.allowed.readers.value}; nobody may pass it on "
            f"({', '.join(found.allowed.passing_by)})"
        )
        self._screen.let_read(_BEAT_S)

    def _release(self, officer: Office, supervisor: Office, payload: Payload) -> MessageId:
        """What is RED leaves once a second person has approved it."""
        try:
            share(officer, Draft(payload, _TO))
        except ApprovalNeeded as needed:
            proposal = propose(officer, needed.draft)
        else:
            raise VerificationError("an alert that needs a second person left without one")
        code = _refusal(lambda: approve(officer, proposal.draft_id), "ROLE")
        self._screen.odd(
            f"{proposal.reason} needs four eyes at {NL}: it waits. {_OFFICER} cannot let it go "
            f"alone ({code})"
        )
        alert_id = approve(supervisor, proposal.draft_id)
        self._stations[NL].wake()
        self._arrived(NL, alert_id)
        for agency in _TO:
            self._check_signed(agency, alert_id)
        self._screen.good(
            f"{_SUPERVISOR}, a supervisor, approves it: {' and '.join(_TO)} have it, with both "
            "signatures inside"
        )
        self._screen.let_read(_BEAT_S)
        return alert_id

    def _check_signed(self, agency: AgencyId, alert_id: MessageId) -> None:
        """See at a recipient that two people stand behind the alert."""
        office = self._stations[agency].office
        view = view_alert(office, alert_id).file.alert
        if view.payload is None:
            raise VerificationError(f"{agency} cannot read the alert", code=view.problem)
        sender = office.directory().peers[NL].card
        found = verify_endorsements(sender, view.payload, to=view.recipients, in_reply_to=None)
        if [(one.act, one.operator) for one in found] != [
            (Act.AUTHORED, _OFFICER),
            (Act.APPROVED, _SUPERVISOR),
        ]:
            raise VerificationError(f"{agency} does not see who wrote and approved the alert")

    def _hear(self) -> MessageId:
        """Two partners say what they know of the same number; return the second alert."""
        belgian, ghanaian = self._stations[BE], self._stations[GH]
        seen = say(belgian.office, passage(self._now), (NL,), Markings(Tlp.AMBER))
        belgian.wake()
        strict = Payload(Markings(Tlp.AMBER_STRICT), twin(self._now))
        told = share(ghanaian.office, Draft(strict, (NL,)))
        ghanaian.wake()
        self._arrived(BE, seen.message_id)
        self._arrived(GH, told)
        return told

    def _relate(self, alert_id: MessageId) -> int:
        office = self._stations[NL].office
        view = view_alert(office, alert_id).file.alert
        found = related(office, alert_id, NL, view.payload, limit=10)
        kinds = {one.message.sender: one.message.kind for one in found}
        if kinds != {BE: MessageKind.SIGHTING.value, GH: MessageKind.ALERT.value}:
            raise VerificationError(f"a sighting and an alert should be related, not {kinds}")
        self._screen.good(
            f"Two messages arrive at {NL}, and its node finds that both name this container: a "
            f"sighting of {BE} and an alert of {GH}"
        )
        self._screen.blank()
        return len(found)

    def _follow(self) -> int:
        """Join what three agencies say of where it was."""
        office = self._stations[NL].office
        found, _ = viewed(
            office,
            lambda: whereabouts(office, Sought(container=NUMBER)),
            lambda one: shown_of(one.messages),
        )
        line = found.track
        jumps = [one for one in line.troubles if one.doubt is Doubt.JUMP]
        if len(jumps) != 1 or {stop.source for stop in line.stops} != set(self._stations):
            raise VerificationError(f"the track has {len(jumps)} impossible jumps, not just one")
        self._screen.table((f"{NUMBER} (UTC)", "where", "what", "who says so"), _rows(line))
        self._screen.blank()
        self._screen.odd(f"Impossible: {jumps[0].reason}. Two boxes bear this number")
        self._screen.let_read(_BEAT_S)
        return len(jumps)

    def _forward(self, officer: Office, told: MessageId) -> int:
        """Our own node refuses to pass on what its author does not let go further."""
        code = _refusal(lambda: forward(officer, told, (BE,)), NOT_GRANTED)
        with officer.store.read() as transaction:
            if transaction.forwards.of(GH, told):
                raise VerificationError("an alert was passed on that must not be")
        self._screen.odd(
            f"{_OFFICER} wants to pass the alert of {GH} on to {BE}: {NL}'s own node refuses "
            f"({code}), as {GH} did not consent"
        )
        self._screen.let_read(_BEAT_S)
        return 1

    def _recall(self, officer: Office, alert_id: MessageId) -> tuple[int, int]:
        """Take the alert back, and see that it is gone: return how many messages, and receipts."""
        done = recall(officer, alert_id, REASON)
        self._stations[NL].wake()
        self._screen.odd(f'{NL} recalls its own alert, before the wrong box is held: "{REASON}"')

        def answered() -> bool:
            found = reach(officer, alert_id)
            return all(_destroyed(one) for one in found.recipients)

        wait_until(answered, "all recipients destroy what was recalled")
        reached = reach(officer, alert_id).recipients
        for one in reached:
            view = view_alert(self._stations[one.agency].office, alert_id).file.alert
            if view.payload is not None or view.erased is None:
                raise VerificationError(f"{one.agency} can still read what was recalled")
        who = " and ".join(one.agency for one in reached)
        self._screen.good(
            f"{who} have destroyed it, and sent destruction receipts: its words are gone from "
            "their nodes; that it came and went stays in the ledgers"
        )
        return len(done.messages), sum(len(one.receipts) for one in reached)

    def _arrived(self, sender: AgencyId, message_id: MessageId) -> None:
        store = self._stations[sender].office.store
        wait_until(
            lambda: all(
                copy.state is DeliveryState.ACKNOWLEDGED for copy in copies_of(store, message_id)
            ),
            f"what {sender} says arrives",
        )


def _doubts(alert: Alert, now: datetime) -> list[Finding]:
    return [one for one in check_alert(alert, now) if one.result is not Result.OK]


def _refusal(attempt: Callable[[], object], code: str) -> str:
    """Try what must not succeed; return the code of its refusal.

    Raises:
        VerificationError: It succeeded.
        SesnError: It failed for another reason.
    """
    try:
        attempt()
    except PolicyError as error:
        if error.code != code:
            raise
        return error.code
    raise VerificationError(f"what must be refused with {code} was done")


def _rows(line: Track) -> list[tuple[str, str, str, str]]:
    return [
        (minute_of(stop.at) if stop.at else "", stop.port, stop.what.value.lower(), stop.source)
        for stop in line.stops
    ]


def _destroyed(one: Reached) -> bool:
    outcomes = {receipt.body.outcome for receipt in one.receipts if receipt.body is not None}
    return outcomes == {DestructionOutcome.DESTROYED}
