"""Bundles that were never exported: their records are well formed, and nothing in them verifies."""

from __future__ import annotations

from io import BytesIO
from typing import Final

from sesn_node.audit import codec, names
from sesn_node.audit.account import LedgerExtent, Selection
from sesn_node.audit.records import BundleEntry, BundleMessage, Copy, Disclosure, Sent
from sesn_node.audit.verdict import BundleVerdict, Check, Finding, LedgerSummary, State, Verdict
from sesn_node.crypto.primitives import sha256
from sesn_node.crypto.seal import commit
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.entries import Entry, EntryKind
from sesn_node.domain.ids import AgencyId, MessageId, ledger_origin, new_message_id
from sesn_node.domain.messages import Header, Priority, Recipient
from sesn_node.domain.payload import Payload
from sesn_node.domain.times import HOUR_MS
from sesn_node.wire.entries import encode_entry
from sesn_node.wire.envelopes import encode_header
from sesn_node.wire.payloads import encode_payload
from tests.support.bundles import AGENCY, HASH, member, pack, small

START_MS: Final = 1_796_400_000_000
TO: Final = AgencyId("gh.epa")
ORIGIN: Final = ledger_origin(AGENCY, 1)
SALT: Final = bytes(32)


class Forgery:
    """A bundle in the making.

    Attributes:
        disclosed: Contents that go into it.
    """

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._entries: list[Entry] = []
        self.disclosed: list[Disclosure] = []

    def send(
        self,
        payload: bytes | Payload = b"",
        *,
        code: str = "",
        state: DeliveryState = DeliveryState.QUEUED,
        in_reply_to: MessageId | None = None,
        erased: bool = False,
        disclose: bool = False,
    ) -> MessageId:
        """Add a message that was sent to `TO`; each is a conversation of its own."""
        data = encode_payload(payload) if isinstance(payload, Payload) else payload
        at_ms = START_MS + len(self._entries) * 1000
        message_id = new_message_id(at_ms, len(self._messages).to_bytes(10, "big"))
        header = Header(
            message_id=message_id,
            sender=AGENCY,
            recipients=(Recipient(TO, HASH, HASH),),
            created_ms=at_ms,
            expires_ms=at_ms + HOUR_MS,
            conversation_id=message_id,
            in_reply_to=in_reply_to,
            priority=Priority.ROUTINE,
            seal_key_id=HASH,
            ciphertext_sha256=HASH,
            commitment=commit(SALT, data),
        )
        written = encode_header(header)
        settled = None if state is DeliveryState.QUEUED else at_ms + 1500
        copy = Copy(TO, state, code, settled)
        way = Sent((copy,))
        index = len(self._entries)
        self._messages.append(
            codec.encode_message(BundleMessage(ORIGIN, index, written, bytes(8), erased, way))
        )
        self._entries.append(
            Entry(
                kind=EntryKind.SHARED,
                time_ms=at_ms,
                salt=SALT,
                message_id=message_id,
                object_sha256=sha256(written),
                commitment=header.commitment,
            )
        )
        if disclose:
            self.disclosed.append(Disclosure(AGENCY, message_id, SALT, data))
        return message_id

    def file(self, **changes: object) -> BytesIO:
        """Put it together; `changes` are fields of the manifest."""
        entries = [
            codec.encode_entry(BundleEntry(index, encode_entry(one)))
            for index, one in enumerate(self._entries)
        ]
        disclosed = sorted(self.disclosed, key=lambda one: one.message_id)
        parts = small(
            messages=member(*self._messages),
            entries=member(*entries),
            disclosed=member(*map(codec.encode_disclosure, disclosed)),
        )
        parts[names.leaves_name(1)] = HASH * len(entries)
        selection = Selection(disclosed=tuple(one.message_id for one in disclosed))
        fields: dict[str, object] = {
            "ledgers": (LedgerExtent(ORIGIN, len(entries)),),
            "selection": selection,
            **changes,
        }
        return BytesIO(pack(parts, **fields))


def verdict(*findings: Finding, reason: str = "", size: int = 1) -> Verdict:
    """Say of one bundle that one check holds, and another holds, fails, or was not made."""
    state = State.FAILS if findings else State.NOT_MADE if reason else State.HOLDS
    checks = (
        Check(1, "container", "the file is a bundle", State.HOLDS, 8),
        Check(
            10, "sent", "every message is sealed", state, 1, len(findings), findings, reason=reason
        ),
    )
    ledger = LedgerSummary(ORIGIN, size, HASH, size)
    one = BundleVerdict(AGENCY, HASH, START_MS, (ledger,), (), checks)
    return Verdict((one,), (), policy=False)
