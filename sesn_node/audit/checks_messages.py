"""Messages: seal, our entry, and the proof of the other side, as each SHARED or RECEIVED is met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sesn_node.audit import names, subjects
from sesn_node.audit.checks_copies import Copies, Story
from sesn_node.audit.codes import Code
from sesn_node.audit.facts import Delivery
from sesn_node.audit.own import Own
from sesn_node.audit.records import Sent
from sesn_node.audit.subjects import CLOCK_TOLERANCE_MS
from sesn_node.audit.tally import Problem, Tally, require
from sesn_node.crypto.signing import ObjectKind, body_hash, verify_object
from sesn_node.domain.entries import EntryKind, EntryRef
from sesn_node.errors import SesnError
from sesn_node.ledger.merkle import leaf_hash
from sesn_node.wire.entries import decode_entry
from sesn_node.wire.envelopes import decode_header

if TYPE_CHECKING:
    from sesn_node.audit.checks_cases import Cases
    from sesn_node.audit.docket import Docket
    from sesn_node.audit.records import BundleMessage, Copy, ProvenElsewhere, Received
    from sesn_node.audit.restated import Restated
    from sesn_node.domain.entries import Entry
    from sesn_node.domain.ids import AgencyId
    from sesn_node.domain.messages import Header

_ID_BYTES: Final = 16


class Messages:
    """The pass over the messages, each beside its own entry.

    Args:
        docket: The audit.
        copies: Where the copies of sent messages are followed.
        again: What later ledgers state again.
        cases: Where the steps of cases are followed.
    """

    def __init__(self, docket: Docket, copies: Copies, again: Restated, cases: Cases) -> None:
        self._docket = docket
        self._cases = cases
        self._copies = copies
        self._again = again
        self._sent = docket.tally(subjects.SENT)
        self._receipts = docket.tally(subjects.RECEIPTS)
        self._received = docket.tally(subjects.RECEIVED)
        self._seen: set[bytes] = set()
        self.commitments: dict[tuple[str, bytes], bytes] = {}
        """Commitments of the messages of which a content is disclosed."""
        self._disclosed = frozenset(docket.bundle.manifest.selection.disclosed)

    @property
    def ids(self) -> set[bytes]:
        """Ids of all messages whose headers could be read."""
        return {key[:_ID_BYTES] for key in self._seen}

    def meet(self, place: int, message: BundleMessage, own: Own | None, leaf: bytes) -> None:
        """Check a message.

        Args:
            place: Its place in the member.
            message: The message.
            own: Our entry at the index that it names; None if that is not in the bundle, or does
                not verify.
            leaf: The leaf at that index.
        """
        way = message.way
        tally = self._sent if isinstance(way, Sent) else self._received
        tally.saw()
        message_id: bytes | None = None
        try:
            header = decode_header(message.header)
            message_id = header.message_id
            self._note(header, message_id)
            self._check_sealed(message, header)
            if isinstance(way, Sent):
                self._check_sent(place, message, way, header, own, leaf)
            else:
                self._check_received(message, way, header, own)
        except SesnError as error:
            tally.fail_with(error, Code.HEADER_INVALID, names.MESSAGES, place, message_id)

    def _note(self, header: Header, message_id: bytes) -> None:
        key = message_id + header.sender.encode()
        require(
            key not in self._seen,
            Code.MESSAGE_TWICE,
            f"message of {header.sender}: a second one of this id",
        )
        self._seen.add(key)
        if header.message_id in self._disclosed:
            self.commitments[header.sender, message_id] = header.commitment

    def _check_sealed(self, message: BundleMessage, header: Header) -> None:
        key = self._docket.book.seal_key(header)
        try:
            verify_object(key, ObjectKind.ENVELOPE, message.header, message.seal)
        except SesnError as error:
            raise Problem(Code.SEAL_INVALID, f"seal of {header.sender}: {error}") from error

    def _check_sent(  # noqa: PLR0913, PLR0917 - the message, and what stands beside it
        self,
        place: int,
        message: BundleMessage,
        way: Sent,
        header: Header,
        own: Own | None,
        leaf: bytes,
    ) -> None:
        require(
            header.sender == self._docket.agency,
            Code.HEADER_INVALID,
            f"it is kept as sent, and its header names {header.sender} as its sender",
        )
        require(
            [copy.agency for copy in way.copies] == [one.agency for one in header.recipients],
            Code.CONTRADICTION,
            "its copies are not those of the recipients in its header",
        )
        shared = self._own(own, EntryKind.SHARED, Code.NOT_SHARED, message, header)
        time_ms = None if shared is None else shared.entry.time_ms
        require(
            time_ms is None or time_ms >= header.created_ms - CLOCK_TOLERANCE_MS,
            Code.TIME_IMPLAUSIBLE,
            f"shared at {time_ms}, created at {header.created_ms} (Unix milliseconds)",
        )
        about = (header.message_id, body_hash(message.header), header.commitment)
        ours = EntryRef(message.origin, message.entry_index, leaf)
        for copy in way.copies:
            received = self._receipt(place, copy, about, ours, time_ms)
            if shared is not None:
                self._copies.expect(Story(place, shared, copy, received))
            if self._docket.facts.concern(copy.agency):
                delivery = Delivery(
                    place, header.message_id, leaf, time_ms, copy.state, copy.code, received
                )
                self._docket.facts.sent(copy.agency, ours.origin, ours.index, delivery)

    def _receipt(
        self,
        place: int,
        copy: Copy,
        about: tuple[bytes, bytes, bytes],
        answered: EntryRef,
        shared_ms: int | None,
    ) -> EntryRef | None:
        """Check a receipt; return which entry of the recipient it proves."""
        if copy.receipt is None:
            return None
        receipt, agency = copy.receipt, self._docket.agency
        proven: EntryRef | None = None
        with self._receipts.case(Code.RECEIPT_INVALID, names.MESSAGES, place, about[0]):
            entry, received = self._proven(receipt.received, copy.agency)
            require(
                _says(entry, EntryKind.RECEIVED, about) and entry.agency == agency,
                Code.RECEIPT_INVALID,
                f"the receipt of {copy.agency} is about another message, or for another agency",
            )
            require(
                entry.answers == answered or self._again.expect(place, about, entry.answers),
                Code.RECEIPT_INVALID,
                f"the receipt of {copy.agency} answers another entry than ours",
            )
            require(
                self._is_cosigned(receipt.shared_size, copy.agency, answered),
                Code.RECEIPT_NOT_COSIGNED,
                f"the cosignature of {copy.agency} on our ledger at size {receipt.shared_size} is "
                "not here, or does not cover the message",
            )
            require(
                shared_ms is None or entry.time_ms >= shared_ms - CLOCK_TOLERANCE_MS,
                Code.TIME_IMPLAUSIBLE,
                f"{copy.agency} received it at {entry.time_ms}, before it was shared",
            )
            self._cases.receipt(entry, copy.agency)
            proven = received
        return proven  # noqa: RET504 - an error within the case leaves it None

    def _is_cosigned(self, size: int, agency: AgencyId, answered: EntryRef) -> bool:
        """Tell whether an agency cosigned our ledger with a receipt.

        The open one, by then: it may state again what a closed one says of the message.
        """
        return any(
            self._docket.heads.cosigned(origin, size, agency)
            and (origin != answered.origin or size > answered.index)
            for origin in self._docket.origins
        )

    def _check_received(
        self, message: BundleMessage, way: Received, header: Header, own: Own | None
    ) -> None:
        agency = self._docket.agency
        require(
            header.sender != agency and header.addressee(agency) is not None,
            Code.HEADER_INVALID,
            f"it is kept as received, and its header does not address {agency}",
        )
        about = (header.message_id, body_hash(message.header), header.commitment)
        try:
            entry, shared = self._proven(way.shared, header.sender)
        except Problem:
            raise
        except SesnError as error:
            raise Problem(Code.SHARED_INVALID, str(error)) from error
        require(
            _says(entry, EntryKind.SHARED, about),
            Code.SHARED_INVALID,
            f"the SHARED entry of {header.sender} is about another message",
        )
        received = self._own(own, EntryKind.RECEIVED, Code.NOT_RECEIVED, message, header)
        if received is None:
            return
        require(
            (received.entry.agency, received.entry.answers) == (header.sender, shared),
            Code.NOT_RECEIVED,
            "our RECEIVED entry answers another entry than the sender's SHARED",
        )
        time_ms = received.entry.time_ms
        require(
            time_ms == way.received_ms,
            Code.CONTRADICTION,
            f"received at {time_ms} by the ledger, at {way.received_ms} by the message",
        )
        require(
            entry.time_ms - CLOCK_TOLERANCE_MS <= time_ms <= header.expires_ms + CLOCK_TOLERANCE_MS,
            Code.TIME_IMPLAUSIBLE,
            f"received at {time_ms}: before it was shared, or after it had expired",
        )

    def _own(
        self, own: Own | None, kind: EntryKind, code: Code, message: BundleMessage, header: Header
    ) -> Own | None:
        """Check our entry about a message; None if entries are left out."""
        if own is None and self._docket.blind:
            return None
        about = (header.message_id, body_hash(message.header), header.commitment)
        if own is None or not _says(own.entry, kind, about):
            raise Problem(
                code,
                f"entry {message.entry_index} of {message.origin} is not its {kind.value} entry",
            )
        return own

    def _proven(self, proven: ProvenElsewhere, owner: AgencyId) -> tuple[Entry, EntryRef]:
        """Read an entry of another agency's ledger, and verify that it stands there."""
        leaf = leaf_hash(proven.entry)
        self._docket.heads.prove(proven, leaf, owner)
        return decode_entry(proven.entry), EntryRef(proven.origin, proven.index, leaf)


def _says(entry: Entry, kind: EntryKind, about: tuple[bytes, bytes, bytes]) -> bool:
    """Tell whether an entry is of this kind, about this message, header and content."""
    return entry.kind is kind and (entry.message_id, entry.object_sha256, entry.commitment) == about


def missing(tally: Tally, own: Own, member: str) -> None:
    """Note an entry whose message is not in the bundle."""
    tally.fail(
        Code.MESSAGE_MISSING,
        f"{own.entry.kind.value} entry of a message that is not in the bundle",
        member,
        own.index,
        own.entry.message_id,
    )
