"""The acts of the demonstration, in order. Every act uses what the commands use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sesn_node.bootstrap import system_clock
from sesn_node.config import Agency, Config
from sesn_node.crypto.kdf import KdfParams
from sesn_node.demo.act_one import ActOne
from sesn_node.demo.act_two import ActTwo
from sesn_node.demo.cast import ANSWERS, BE, GH, NL, dispatches
from sesn_node.demo.crosscheck import cross_check
from sesn_node.demo.network import wait_until
from sesn_node.demo.post import Post
from sesn_node.domain.conversation import Decision
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.findings import Result
from sesn_node.domain.identifiers import check_container
from sesn_node.errors import VerificationError
from sesn_node.exchange.copyviews import copies_of
from sesn_node.exchange.peers import add_peer
from sesn_node.exchange.respond import respond
from sesn_node.exchange.views import alert_file
from sesn_node.founding import found
from sesn_node.trust.card import open_card
from sesn_node.trust.fingerprint import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sesn_node.demo.act_one import Figures
    from sesn_node.demo.act_two import Months
    from sesn_node.demo.cast import Answer, Dispatch
    from sesn_node.demo.network import Station
    from sesn_node.demo.screen import Board, Screen
    from sesn_node.domain.ids import AgencyId, MessageId

_BEAT_S: Final = 0.2
"""Between two alerts, so that eyes can follow."""
_WORDS_A_LINE: Final = 8
# The impostor's keys guard nothing, so trying its passphrase may be cheap.
_CHEAP: Final = KdfParams(64, 1, 1)


@dataclass(frozen=True, slots=True)
class Told:
    """What the story came to."""

    alerts: int
    receipts: int
    accepted: int
    declined: int
    first: Figures
    recalled: MessageId
    ledgers_verified: bool
    months: Months


class Story:
    """Plays the acts.

    Args:
        stations: The agencies; nothing is founded yet.
        screen: Where it is shown.
        folder: For what belongs to nobody in the cast.
        passphrase: Of all homes.
    """

    def __init__(
        self,
        stations: Mapping[AgencyId, Station],
        screen: Screen,
        folder: Path,
        passphrase: str,
    ) -> None:
        self._stations = stations
        self._screen = screen
        self._folder = folder
        self._passphrase = passphrase
        self._post = Post(stations)

    def tell(self) -> Told:
        """Play all acts.

        Raises:
            SesnError: Something did not go as it should.
        """
        self._set_up()
        self._meet()
        recalled, first = ActOne(self._stations, self._screen).play()
        self._share()
        self._decide()
        self._outage()
        verified = self._verify()
        answers = self._answers()
        months = ActTwo(self._screen, self._folder, self._passphrase).play()
        return Told(
            alerts=len(self._post.parcels),
            receipts=self._post.receipts(),
            accepted=answers.count(Decision.ACCEPTED),
            declined=answers.count(Decision.DECLINED),
            first=first,
            recalled=recalled,
            ledgers_verified=verified,
            months=months,
        )

    def sent(self, number: str) -> tuple[Dispatch, MessageId]:
        """Return an alert of the story and its id."""
        parcel = self._post.parcels[number]
        return parcel.dispatch, parcel.message_id

    def _set_up(self) -> None:
        screen = self._screen
        screen.act(
            "Three agencies set up their nodes",
            "A node is an agency's own program: it seals, sends and receives alerts, and keeps "
            "the ledger, a book in which nothing can be changed afterwards. There is no central "
            "server.",
        )
        for station in self._stations.values():
            station.found()
            station.start()
            screen.good(f"{station.member.name} ({station.agency}) has its keys and its ledger")
        for station in self._stations.values():
            station.wait_serving()
        screen.blank()
        rows = [
            (one.agency, one.member.name, one.address, f"process {one.pid}")
            for one in self._stations.values()
        ]
        screen.table(("agency", "name", "its node listens on", ""), rows)

    def _meet(self) -> None:
        screen = self._screen
        screen.act(
            "They exchange cards, and make sure whose they are",
            "A card tells who an agency is, and holds its public keys. Before an officer trusts "
            "one, the agency reads its fingerprint out on the telephone: 24 words.",
        )
        card = self._stations[GH].card
        seen = open_card(card.sealed, system_clock())
        screen.say(f"{GH} reads out:   {_in_lines(words(card.fingerprint))}")
        screen.say(f"{NL} sees:    {_in_lines(words(seen.fingerprint))}")
        for one in self._stations.values():
            for other in self._stations.values():
                if other is not one:
                    card = other.card
                    add_peer(one.office, card.sealed, fingerprint=card.fingerprint)
            one.wake()
            others = " and ".join(sorted(set(self._stations) - {one.agency}))
            screen.good(f"{one.agency} compared the words, and trusts {others}")
        self._refuse_impostor()

    def _refuse_impostor(self) -> None:
        """Somebody else makes a card in the name of the Belgian police."""
        station = self._stations[NL]
        real = self._stations[BE].card
        member = self._stations[BE].member
        config = Config(
            home=self._folder / "impostor",
            agency=Agency(
                id=member.agency, name=member.name, country=member.country, role=member.role
            ),
        )
        false = found(config, b"of no consequence", kdf=_CHEAP)
        try:
            add_peer(station.office, false.sealed, fingerprint=real.fingerprint)
        except VerificationError:
            first = " ".join(words(false.fingerprint)[:3])
            self._screen.odd(
                f'A card that somebody else made in the name of {BE} begins "{first} ...": refused'
            )
            return
        raise VerificationError(f"the impostor's card of {BE} was trusted")

    def _share(self) -> None:
        screen = self._screen
        screen.act(
            "Officers share alerts",
            "Each alert is sealed, so that only its recipients can read it, and written into the "
            "sender's ledger before it leaves. A recipient's node checks and stores it, and "
            "answers with a receipt: proof that it stands in the recipient's ledger.",
        )
        with screen.board() as board:
            self._send((one for one in dispatches() if not one.while_down), board)
            wait_until(lambda: not self._post.collect(board), "all receipts arrive")
        screen.blank()
        for parcel in self._post.parcels.values():
            self._tell_findings(parcel.dispatch)

    def _send(self, some: Iterable[Dispatch], board: Board) -> None:
        """Share alerts one by one, and show the receipts that arrive meanwhile."""
        for dispatch in some:
            self._post.send(dispatch, board)
            self._screen.let_read(_BEAT_S, lambda: self._post.collect(board))

    def _tell_findings(self, dispatch: Dispatch) -> None:
        """Wrong container numbers are evidence: sent as they were seen, with a warning."""
        consignment = dispatch.alert.consignment
        for container in consignment.containers if consignment else ():
            finding = check_container(container.number)
            if finding.result is not Result.OK:
                self._screen.odd(
                    f"Alert {dispatch.number}: container number {finding.observed} cannot be "
                    f"right, its {finding.reason}. A wrong number is evidence: it is sent as seen, "
                    "with this warning."
                )

    def _decide(self) -> None:
        screen = self._screen
        screen.act(
            "People decide",
            "A receipt says that a node has an alert. Whether anybody acts on it, an officer "
            "says: in a sealed message of its own, with a receipt like any other.",
        )
        for answer in ANSWERS:
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        parcel = self._post.parcels[answer.number]
        station = self._stations[answer.agency]
        decided = respond(station.office, parcel.message_id, answer.decision, answer.text)
        station.wake()
        store = station.office.store
        wait_until(
            lambda: all(
                copy.state is DeliveryState.ACKNOWLEDGED
                for copy in copies_of(store, decided.message_id)
            ),
            f"{decided.to} learns what {answer.agency} decided",
        )
        tell = self._screen.good if answer.decision is Decision.ACCEPTED else self._screen.odd
        verb = "accepts" if answer.decision is Decision.ACCEPTED else "declines"
        tell(f'{answer.agency} {verb} alert {answer.number} of {decided.to}: "{answer.text}"')
        self._screen.let_read(_BEAT_S)

    def _answers(self) -> list[Decision]:
        """What the senders were told, each read from the sender's own node."""
        told = []
        for parcel in self._post.parcels.values():
            office = self._stations[parcel.dispatch.sender].office
            responses = alert_file(office, parcel.message_id).alert.responses
            told += [one.decision for one in responses if one.decision is not None]
        return told

    def _outage(self) -> None:
        screen = self._screen
        screen.act(
            "A partner's node loses power",
            "What cannot be delivered waits, safe on the sender's disk. Nobody has to do anything "
            "once the partner is back.",
        )
        down = self._stations[BE]
        down.lose_power()
        screen.odd(f"The process of {BE} was killed, without any warning")
        screen.blank()
        with screen.board() as board:
            self._send((one for one in dispatches() if one.while_down), board)
            wait_until(lambda: self._post.collect(board) == {BE}, "all others have their alerts")
            board.wait_for(BE)
            waiting = self._post.waiting_for(BE)
            screen.odd(f"{waiting} alerts wait for {BE}; everybody else has theirs")
            screen.let_read(2 * _BEAT_S)
            down.start()
            began = time.monotonic()
            down.wait_serving()
            wait_until(lambda: not self._post.collect(board), f"{BE} catches up")
            seconds = time.monotonic() - began
        screen.blank()
        screen.good(f"{BE} was started again, and had everything {seconds:.1f} s later")

    def _verify(self) -> bool:
        screen = self._screen
        screen.act(
            "Do the ledgers agree?",
            "Every ledger is computed anew, entry by entry, with all signatures and receipts. "
            "Then each is held against what the others countersigned of it: who rewrites the past "
            "is found out by all partners.",
        )
        checked = cross_check(list(self._stations.values()))
        rows = []
        for agency, verification in checked.ledgers.items():
            whole = "whole" if verification.passed else "DAMAGED"
            looked_at = sum(check.count for check in verification.checks)
            held = [
                f"{one.holder} countersigned {one.size} and has {one.receipts} receipts: "
                f"{'agrees' if one.agrees else 'DIFFERS'}"
                for one in checked.agreements
                if one.owner == agency
            ]
            rows.append(
                (agency, f"{verification.head.size}", f"{looked_at}", whole, "\n".join(held))
            )
        columns = ("ledger of", "entries", "checks", "", "what the others hold of it")
        screen.table(columns, rows)
        return checked.passed


def _in_lines(some: tuple[str, ...]) -> str:
    """Lay out words under each other, under a heading of 20 characters."""
    rows = [" ".join(some[at : at + _WORDS_A_LINE]) for at in range(0, len(some), _WORDS_A_LINE)]
    return ("\n" + " " * 20).join(rows)
