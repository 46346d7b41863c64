"""Operators: the people of this agency, each with a key in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.signers import signer_for
from sesn_node.crypto.signing import body_hash
from sesn_node.domain.entries import EntryKind, KeyCode
from sesn_node.domain.people import Operator, OperatorId, Right, Role, require
from sesn_node.errors import ConflictError, PolicyError
from sesn_node.exchange.office import new_entry
from sesn_node.store.people import OperatorRow
from sesn_node.telemetry.logs import get_logger
from sesn_node.trust.people import endorse, seal_operator
from sesn_node.wire.people import (
    decode_operator,
    decode_sealed_operator,
    encode_sealed_operator,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.crypto.signers import Signer
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.domain.payload import Payload
    from sesn_node.domain.people import Act, Endorsement, SealedOperator
    from sesn_node.exchange.office import Office
    from sesn_node.exchange.work import Work
    from sesn_node.store.engine import Transaction

_log = get_logger(__name__)

UNKNOWN_OPERATOR: Final = "UNKNOWN_OPERATOR"
OPERATOR_EXPIRED: Final = "OPERATOR_EXPIRED"


@dataclass(frozen=True, slots=True)
class Known:
    """An operator as the directory of our people has it.

    Args:
        operator: What we say of the operator.
        sealed: The same, under our seal.
        removed_ms: Since when no longer, Unix milliseconds; None as long as it stands.
    """

    operator: Operator
    sealed: SealedOperator
    removed_ms: int | None


@dataclass(frozen=True, slots=True)
class Actor:
    """An operator at work: whoever unlocked the key.

    Args:
        operator: What we say of the operator.
        sealed: The same, under our seal.
        signer: Signs as the operator.
    """

    operator: Operator
    sealed: SealedOperator
    signer: Signer = field(repr=False)

    def endorse(
        self,
        payload: Payload,
        act: Act,
        *,
        to: Iterable[AgencyId],
        in_reply_to: MessageId | None,
        at_ms: int,
    ) -> Endorsement:
        """Sign a payload and its recipients."""
        return endorse(
            self.signer,
            self.sealed,
            payload,
            act=act,
            to=to,
            in_reply_to=in_reply_to,
            at_ms=at_ms,
        )


def add_operator(office: Office, name: OperatorId, role: Role, key: KeyRecord) -> Known:
    """Say of a key that it is an operator's. The entry and our seal say since when.

    Raises:
        ConflictError: `OPERATOR_EXISTS`: there is one of that name.
        PolicyError: `ROLE`: whoever does this may not.
        StorageError: Nothing was added, or the outcome is unknown: look, and do it again.
    """
    _allowed(office)
    operator = Operator(
        agency=office.agency,
        operator=name,
        role=role,
        public_key=key.public,
        issued_ms=key.not_before_ms,
        expires_ms=key.not_after_ms,
    )
    sealed = seal_operator(operator, office.keys.seal)
    office.sequencer.run(partial(_add, name=name, sealed=sealed))
    _log.info("operator-added", role=role.value)
    return Known(operator, sealed, None)


def remove_operator(office: Office, name: OperatorId) -> Known:
    """Take an operator's rights away. What was signed before stands.

    Raises:
        PolicyError: `UNKNOWN_OPERATOR`; or `ROLE`: whoever does this may not.
        StorageError: Nothing was removed, or the outcome is unknown: do it again.
    """
    _allowed(office)
    row = office.sequencer.run(partial(_remove, name=name)).value
    _log.info("operator-removed")
    return _known(row)


def operators(office: Office) -> list[Known]:
    """Return all operators, removed ones too, in the order in which they were added."""
    with office.store.read() as transaction:
        rows = transaction.operators.every()
    return [_known(row) for row in rows]


def unlock(office: Office, name: OperatorId, key: KeyRecord) -> Actor:
    """Let somebody act as an operator.

    Args:
        office: Ours.
        name: Who.
        key: The operator's key, opened with the operator's passphrase.

    Raises:
        PolicyError: `UNKNOWN_OPERATOR`, also when the key is another one; `OPERATOR_EXPIRED`.
    """
    with office.store.read() as transaction:
        known = _known(_find(transaction, name))
    if known.operator.public_key != key.public:
        raise PolicyError(
            f"the key file of {name} holds another key than the one that was added; it is an older "
            "one, or was made on another machine",
            code=UNKNOWN_OPERATOR,
        )
    if not known.operator.in_force(office.clock()):
        raise PolicyError(
            f"the key of {name} is not in force any more; remove {name} and add a new key",
            code=OPERATOR_EXPIRED,
        )
    return Actor(known.operator, known.sealed, signer_for(key))


def _allowed(office: Office) -> None:
    if office.actor is not None:
        require(office.actor.operator.role, Right.PEOPLE)


def _add(work: Work, name: OperatorId, sealed: SealedOperator) -> None:
    if work.transaction.operators.find(name) is not None:
        raise ConflictError(
            f"there is an operator {name}; remove it first, or take another name",
            code="OPERATOR_EXISTS",
        )
    subject = body_hash(sealed.body)
    code = KeyCode.OPERATOR_ADDED.value
    ref = work.append(new_entry(EntryKind.KEY, work.now_ms, subject, code=code))
    work.transaction.operators.add(
        OperatorRow(
            sha256=subject,
            operator=name,
            sealed=encode_sealed_operator(sealed),
            added_ms=work.now_ms,
            removed_ms=None,
            entry_index=work.number(ref),
        )
    )


def _remove(work: Work, name: OperatorId) -> OperatorRow:
    row = _find(work.transaction, name)
    code = KeyCode.OPERATOR_REMOVED.value
    work.append(new_entry(EntryKind.KEY, work.now_ms, row.sha256, code=code))
    work.transaction.operators.remove(row.sha256, work.now_ms)
    return row


def _find(transaction: Transaction, name: OperatorId) -> OperatorRow:
    row = transaction.operators.find(name)
    if row is None:
        raise PolicyError(
            f"there is no operator {name}; 'sesn operator list' shows them", code=UNKNOWN_OPERATOR
        )
    return row


def _known(row: OperatorRow) -> Known:
    sealed = decode_sealed_operator(row.sealed)
    return Known(decode_operator(sealed.body), sealed, row.removed_ms)
