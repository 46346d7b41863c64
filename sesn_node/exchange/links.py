"""Remember for operators how the links to partners stand, and make due what waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.checks import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.peers import LinkRow

_ERROR_CHARACTERS = 500


def is_open(link: LinkRow, deliverers: Mapping[str, str] | None) -> bool:
    """Tell whether a connection to a partner stands, as far as the database knows.

    What is noted outlives a process that was killed. Where processes share a database, whoever has
    a connection asks for the partner's lease, and the server frees that with the process.

    Args:
        link: What is noted.
        deliverers: Who holds the lease on whom (`CopyTable.deliverers`); None if this database
            cannot tell: then only whoever knows whether the one process serves can.
    """
    noted = link.connected_ms is not None and link.ended_ms is None
    return noted and (deliverers is None or link.agency in deliverers)


def link_opened(office: Office, agency: AgencyId) -> int:
    """Note that a partner was reached: whatever waits for it is due at once.

    Returns:
        The time that was noted, for `link_ended`.
    """

    def operation(work: Work) -> int:
        work.transaction.peers.link_up(agency, work.now_ms)
        work.transaction.outbox.end_deferral(agency)
        return work.now_ms

    return office.sequencer.run(operation).value


def link_ended(office: Office, agency: AgencyId, opened_ms: int) -> None:
    """Note that the connection that was opened then has ended; a later one stays as it is."""
    office.sequencer.run(
        lambda work: work.transaction.peers.link_ended(
            agency, connected_ms=opened_ms, now_ms=work.now_ms
        )
    )


def no_links(office: Office) -> None:
    """Note that nobody is connected, when a node begins: the one before may have been killed.

    Where several processes share the database, the others' connections cannot be told apart, and
    nothing is noted: `is_open` tells who is connected.
    """
    with office.store.read() as transaction:
        shared = transaction.copies.deliverers(()) is not None
        if shared or not transaction.peers.has_open_links():
            return
    office.sequencer.run(lambda work: work.transaction.peers.end_links(work.now_ms))


def link_failed(office: Office, agency: AgencyId, failures: int, wait_ms: int, error: str) -> None:
    """Note that a partner could not be reached, why, and when we try again."""
    office.sequencer.run(
        lambda work: work.transaction.peers.link_down(
            agency,
            failures=failures,
            next_attempt_ms=work.now_ms + wait_ms,
            # It may quote what the partner's node said, and is shown on a screen.
            error=printable(error)[:_ERROR_CHARACTERS],
        )
    )


def peer_is_back(office: Office, agency: AgencyId) -> bool:
    """Note that a partner reached us: whatever waits for it is due at once.

    Writes only if something waits, and not for ever more greetings, so that a partner cannot make
    us write, or dial, by greeting.

    Returns:
        Whether the greeting counts; it does not if there were too many lately.
    """
    if not office.greeting_limiter.allow(agency, office.clock()):
        return False
    with office.store.read() as transaction:
        waits = transaction.outbox.has_deferred(agency)
    if waits:
        office.sequencer.run(lambda work: work.transaction.outbox.end_deferral(agency))
    return True
