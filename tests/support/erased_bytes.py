"""Looking for what was erased, as somebody would who has all keys and all passphrases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.exchange.backup import opened
from tests.support.backups import backed_up
from tests.support.engines import current
from tests.support.homes import PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from tests.support.network import Member

_PIECE = 24
"""Of long secrets, pieces of this length are looked for."""


def pieces_of(secret: bytes) -> set[bytes]:
    """Cut a secret into pieces, of which any that is left gives something away."""
    step = max(_PIECE, len(secret) // 40)
    return {secret[at : at + _PIECE] for at in range(0, max(1, len(secret) - _PIECE + 1), step)}


def secrets_of(member: Member, message_id: MessageId) -> dict[str, set[bytes]]:
    """All that a message can be read with or found by, in pieces, as a database holds it.

    Whoever has the storage key opens the content key with it; a recipient's private key opens the
    wrapped key; either opens the ciphertext, and nothing else does.
    """
    found: dict[str, set[bytes]] = {}
    with member.office.store.read() as transaction:
        sent = transaction.outbox.message(message_id)
        rows = [] if sent is None else [sent.sealed]
        rows += [row.sealed for row in transaction.inbox.find(message_id)]
        for sealed in rows:
            assert sealed.ciphertext is not None
            assert sealed.content_key is not None
            found["ciphertext"] = pieces_of(sealed.ciphertext)
            found["content key"] = pieces_of(sealed.content_key)
        connection = transaction._connection  # noqa: SLF001 - no table offers this
        for row in connection.exec_driver_sql("SELECT message_id, wrapped_key FROM outbox").all():
            if row.message_id == message_id:
                found.setdefault("wrapped key", set()).update(pieces_of(row.wrapped_key))
        terms = {row.term for row in transaction.search.every() if row.message_id == message_id}
    return {**found, "term": terms} if terms else found


def files_of(member: Member) -> Iterator[tuple[str, bytes]]:
    """Yield every file of a home and of its database: name and what is in it."""
    for path in sorted(member.home.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
    for path, data in current().files(member.home):
        # The server's log is written over when it pleases: docs/operations.md says so.
        if path.parent.name != "pg_wal":
            yield path.name, data


def backup_of(member: Member, path: Path) -> bytes:
    """Make a backup, and return all that its passphrase opens."""
    backed_up(member, path, force=True)
    with opened(path, PASSPHRASE) as found:
        rows = [row.values.values() for row in found.rows()]
    inside = [value for row in rows for value in row if isinstance(value, bytes)]
    return b"\0".join([path.read_bytes(), *inside])


def found_in(secrets: dict[str, set[bytes]], places: dict[str, bytes]) -> set[str]:
    """Name the secrets of which some piece is in some place."""
    return {
        name
        for name, pieces in secrets.items()
        if any(piece in data for data in places.values() for piece in pieces)
    }
