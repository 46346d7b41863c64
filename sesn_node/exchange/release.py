"""Release: an operator has looked at a fork, and trusts the agency again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.domain.entries import PeerCode
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.evidencefiles import standing_alarms
from sesn_node.exchange.forks import set_state
from sesn_node.trust.directory import PeerState

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work

NOT_QUARANTINED: Final = "NOT_QUARANTINED"
"""Code of a partner that there is nothing to release from."""


def release_peer(office: Office, agency: AgencyId) -> bool:
    """Trust a quarantined agency again, and put down all alarms about its ledgers.

    What waited for it goes again. The forks that are known stay known: only another one
    quarantines it again.

    Returns:
        Whether it was quarantined; else there were alarms only.

    Raises:
        PolicyError: `UNKNOWN_PEER`.
        ConflictError: `NOT_QUARANTINED`: it is not, and no alarm stands.
    """
    released = office.sequencer.run(partial(_release, agency)).value
    office.bell.ring()
    return released


def _release(agency: AgencyId, work: Work) -> bool:
    known = work.transaction.peers.standings([agency])
    if agency not in known:
        raise PolicyError(
            f"{agency} is not a peer; 'sesn peer list' shows them", code="UNKNOWN_PEER"
        )
    alarmed = any(row.agency == agency for row in standing_alarms(work.transaction))
    quarantined = set_state(
        work, agency, PeerState.QUARANTINED, PeerState.TRUSTED, PeerCode.RELEASED
    )
    if not quarantined and not alarmed:
        raise ConflictError(
            f"{agency} is {known[agency][0]}, and there is nothing to release it from",
            code=NOT_QUARANTINED,
        )
    work.transaction.alarms.settle(agency, work.now_ms)
    return quarantined
