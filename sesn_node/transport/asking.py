"""Asking: a node in doubt about its own database asks the partners what they know of it.

On start and then every half minute, as long as the doubt lasts. If all partners answer, and none
knows more, after a change of the database server the node goes on by itself; without a head file an
operator has to say so. What was answered is kept in the run folder, for `sesn status`.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final

from sesn_node.errors import ConflictError, SesnError
from sesn_node.exchange import guard
from sesn_node.exchange.cardgate import shown_card
from sesn_node.exchange.inquiry import ANSWERS, confirm, judge, trusted_cards
from sesn_node.exchange.oldcopy import DOUBTS, Trouble
from sesn_node.store.files import replace_file
from sesn_node.telemetry.logs import get_logger
from sesn_node.transport.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.exchange.inquiry import Inquiry
    from sesn_node.exchange.office import Office
    from sesn_node.transport.tls import TlsIdentity
    from sesn_node.trust.card import TrustedCard

_log = get_logger(__name__)

_AGAIN_S: Final = 30.0


async def ask_partners(office: Office, identity: TlsIdentity, timeout_s: float) -> Inquiry:
    """Ask every trusted partner that can be dialled what it has cosigned of our ledger.

    Args:
        office: Ours.
        identity: Our TLS leaf and key.
        timeout_s: How long an endpoint may take.

    Raises:
        StorageError: The database cannot be read, or our card must not leave yet.
    """
    own = await asyncio.to_thread(shown_card, office)
    partners = [card for card in await asyncio.to_thread(_trusted, office) if card.card.endpoints]
    probed = await probe(identity, own, partners, office.clock, timeout_s)
    notes: dict[str, bytes | None] = {
        one.partner.agency: one.echo.cosigned for one in probed if one.echo is not None
    }
    return await asyncio.to_thread(judge, office.store, notes)


def _trusted(office: Office) -> list[TrustedCard]:
    with office.store.read() as transaction:
        return trusted_cards(transaction)


class Asking:
    """Asks for one node, while it is in doubt. Belongs to its event loop."""

    def __init__(
        self,
        office: Office,
        identity: Callable[[], TlsIdentity],
        run_folder: Path,
        timeout_s: float,
    ) -> None:
        self._office = office
        self._identity = identity
        self._path = run_folder / ANSWERS
        self._timeout_s = timeout_s
        self._asked_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Ask, if it is time; call it while the node appends nothing."""
        now_s = time.monotonic()
        if self._asked_s is not None and now_s - self._asked_s < _AGAIN_S:
            return
        if self._task is None or self._task.done():
            self._asked_s = now_s
            self._task = asyncio.create_task(self._ask(), name="asking")

    def rest(self) -> None:
        """Forget what was answered: the node appends."""
        if self._asked_s is not None:
            self._asked_s = None
            self._path.unlink(missing_ok=True)

    async def stop(self) -> None:
        """End a question that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self) -> None:
        office = self._office
        head_file = office.sequencer.head_file
        try:
            trouble = await asyncio.to_thread(guard.inspect, office.store, head_file)
            if trouble is None:
                return
            inquiry = await ask_partners(office, self._identity(), self._timeout_s)
            sentences = inquiry.sentences()
            await asyncio.to_thread(replace_file, self._path, json.dumps(list(sentences)).encode())
            _log.warning("partners-asked", trouble=trouble.trouble.value, answers=sentences)
            if trouble.trouble is Trouble.OTHER_TIMELINE:
                await asyncio.to_thread(confirm, office.store, head_file, inquiry)
            elif trouble.trouble in DOUBTS and inquiry.clear:
                _log.warning("head-to-be-confirmed", command=f"{trouble.command} ledger confirm")
        except ConflictError as error:
            _log.error("head-not-confirmed", code=error.code, detail=str(error))
        except SesnError as error:
            _log.error("partners-not-asked", code=error.code, detail=str(error))
