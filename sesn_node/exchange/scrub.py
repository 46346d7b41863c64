"""Scrub: take the bytes of erased content out of the files of the database.

The rows are gone with the commit of the erasure. Their bytes may outlast them in unused parts of
files, which is what this ends; what it could not reach is tried again by the node that serves, and
by the next erasure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.errors import StorageError
from sesn_node.store.scrubbed import AT_MOST_BYTES, Scrubbed

if TYPE_CHECKING:
    from sesn_node.exchange.office import Office

_NO_LIMIT = 1 << 62


def scrub(office: Office, *, compact: bool = False) -> Scrubbed:
    """Take what was erased so far out of the files, and note it where nothing is left.

    Args:
        office: Ours.
        compact: Write the database anew however large it is; nobody else writes meanwhile.

    Raises:
        StorageError: The database cannot be opened.
    """
    with office.store.read() as transaction:
        erased = transaction.erasures.not_scrubbed()
    scrubbed = office.store.scrub(_NO_LIMIT if compact else AT_MOST_BYTES)
    if scrubbed.done and erased:
        try:
            office.sequencer.run(
                lambda work: work.transaction.erasures.set_scrubbed(erased, work.now_ms)
            )
        except StorageError as error:
            remains = (f"nothing is left, but that could not be noted: {error}",)
            return Scrubbed(done=False, remains=remains)
    return scrubbed


def scrub_what_is_left(office: Office) -> Scrubbed | None:
    """Scrub if erased content may still be in the files; None if not.

    Raises:
        StorageError: As `scrub`.
    """
    with office.store.read() as transaction:
        if not transaction.erasures.not_scrubbed():
            return None
    return scrub(office)
