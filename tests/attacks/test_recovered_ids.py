"""A partner that uses the loss of another: what was received, or erased, stands in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import HEAD_FILE
from sesn_node.domain.batches import ProvenEntry, Refused
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange.erase import erase
from sesn_node.exchange.export import export_tiles
from sesn_node.exchange.recover import recover_tiles
from sesn_node.store.headfile import HeadFile
from tests.support.engines import current
from tests.support.homes import DE, NL
from tests.support.network import alert
from tests.support.puppet import Puppet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.batches import Outcome
    from tests.support.network import Network
    from tests.support.puppet import Letter

_HONEST = "What the German port said"
_DECOY = "What it would rather have said"


class _Lost:
    """A node that received a message and lost it again; its ledger came back."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net = net
        self._folder = folder
        self.puppet = Puppet(net[DE])
        self.letter = self.puppet.letter(net[NL].card, payload=alert(_HONEST))
        current().save(net[NL].home, folder / "saved")
        assert isinstance(self.send(self.letter), ProvenEntry)

    def send(self, letter: Letter) -> Outcome:
        """Share a letter, and deliver it."""
        batch = self.puppet.batch(letter, old=self.puppet.known_to(self.net[NL]))
        (outcome,) = self.net[NL].receiver.receive(DE, batch).outcomes
        return outcome

    def lose(self) -> None:
        """Put an old copy back, and recover the ledger from its tiles."""
        member, folder = self.net[NL], self._folder
        head_file = HeadFile(member.home / HEAD_FILE)
        member.office.sequencer.check()
        export_tiles(member.office.store, head_file, folder / "tiles")
        self.net.checking = False
        member.close()
        current().put_back(member.home, folder / "saved")
        member.open()
        recover_tiles(
            member.office.store, head_file, folder / "tiles", now_ms=self.net.clock.now_ms
        )
        assert self.received() == []

    def received(self) -> list[object]:
        """Return the rows of the message that have content."""
        rows = self.net[NL].received(self.letter.message_id)
        return [row for row in rows if row.sealed.ciphertext is not None]


@pytest.fixture
def lost(connect: Callable[..., Network], tmp_path: Path) -> _Lost:
    """The Netherlands, and a German port that has been taken over."""
    return _Lost(connect(NL, DE), tmp_path)


def test_another_message_under_the_id_of_one_that_was_lost(lost: _Lost) -> None:
    """Our ledger still says what came under this id: the decoy is a conflict, as ever."""
    lost.lose()
    decoy = lost.puppet.letter(
        lost.net[NL].card, payload=alert(_DECOY), message_id=lost.letter.message_id
    )
    outcome = lost.send(decoy)
    assert isinstance(outcome, Refused)
    assert outcome.code is RefusalCode.CONFLICT
    assert lost.received() == []


def test_what_was_erased_does_not_come_back_under_another_entry(lost: _Lost) -> None:
    """Its sender shares the very same message a second time."""
    erase(lost.net[NL].office, lost.letter.message_id, "asked for by its author")
    lost.lose()
    outcome = lost.send(lost.letter)
    assert lost.received() == []
    assert isinstance(outcome, Refused)
    # The refusal is logged once, however often it is tried.
    size = lost.net[NL].size()
    lost.send(lost.letter)
    assert lost.net[NL].size() == size
