"""What must hold when the faults have ended and time has passed, beyond `check_network`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sesn_node.domain.entries import EntryKind, PeerCode
from sesn_node.domain.ids import ledger_origin
from tests.simulation.disk import HEAD_FILE
from tests.simulation.world import Broken
from tests.support.check_node import check_network
from tests.support.view import decode_once, open_card_once

if TYPE_CHECKING:
    from sesn_node.domain.entries import Entry
    from sesn_node.domain.ids import AgencyId, MessageId
    from sesn_node.trust.card import TrustedCard
    from tests.simulation.disk import Disk
    from tests.simulation.world import World


def check_invariants(world: World) -> None:
    """Check every node that is open, and every two of them.

    Raises:
        AssertionError: Naming the agency and the invariant.
    """
    offices = []
    for agency in world.agencies:
        serving = world.serving(agency)
        if serving and agency not in world.old:
            offices.append(serving[0].office)
    check_network(offices)
    for agency in world.agencies:
        if agency not in world.old:
            _check_no_fork(world, agency)
            _check_trust_was_kept(world, agency)
            _check_cosignatures_are_remembered(world, agency)


def check_released(world: World) -> None:
    """Nobody has witnessed more of a ledger than its head file holds; cheap, at any moment.

    Raises:
        Broken: A checkpoint has left too early.
    """
    for owner in world.agencies:
        if owner in world.old:
            continue
        released = released_size(world.disks[owner])
        for witness in world.others(owner):
            rows = _rows(
                world,
                witness,
                "SELECT size FROM witness_head WHERE origin = ?",
                ledger_origin(owner, 1),
            )
            if rows and rows[0][0] > released:
                raise Broken(
                    f"{witness} has witnessed {rows[0][0]} entries of {owner}, whose head file "
                    f"holds {released}"
                )


def released_size(disk: Disk) -> int:
    """Return the size that a head file holds: the line after the one with the origin."""
    return int(disk.files[HEAD_FILE].split(b"\n", 3)[2])


def _check_trust_was_kept(world: World, agency: AgencyId) -> None:
    """From the entry that revokes a partner to the one that trusts it again, none is with it."""
    revoked: set[str] = set()
    for at, (data,) in enumerate(
        _rows(world, agency, "SELECT entry FROM ledger_entry ORDER BY entry_index")
    ):
        entry = decode_once(data)
        other = entry.agency
        if other is None:
            continue
        if entry.kind is EntryKind.PEER:
            (revoked.add if entry.code == PeerCode.REVOKED else revoked.discard)(other)
        elif other in revoked and entry.kind in {EntryKind.RECEIVED, EntryKind.ACKNOWLEDGED}:
            raise Broken(f"{agency}: entry {at} is with {other}, which was revoked before")


def _check_no_fork(world: World, agency: AgencyId) -> None:
    """Nobody here forks, so nobody may hold two histories of anybody."""
    rows = _rows(
        world,
        agency,
        "SELECT origin, size FROM checkpoint GROUP BY origin, size HAVING count(*) > 1",
    )
    if rows:
        raise Broken(f"{agency} holds two histories: {rows}")


def _check_cosignatures_are_remembered(world: World, agency: AgencyId) -> None:
    """A cosignature that reached the owner of a ledger is one that its witness still knows of."""
    origin = ledger_origin(agency, 1)
    for size, witness in _rows(
        world, agency, "SELECT size, agency FROM cosignature WHERE origin = ?", origin
    ):
        if witness in world.old:
            continue
        held = _rows(
            world,
            witness,
            "SELECT 1 FROM cosignature c JOIN witness_head h ON h.origin = c.origin"
            " WHERE c.origin = ? AND c.size = ? AND c.agency = ? AND h.size >= c.size",
            origin,
            size,
            witness,
        )
        if not held:
            raise Broken(f"{witness} cosigned {origin} at {size} and does not remember it")


def settled(world: World) -> bool:
    """Tell whether every copy of every message has come to an end."""
    return not any(
        _rows(world, agency, "SELECT 1 FROM outbox WHERE state = 'queued' LIMIT 1")
        for agency in world.agencies
    )


def serving(world: World) -> bool:
    """Tell whether every process that should serve does."""
    return all(
        (one.serving and not one.problem) or not one.serves for one in world.processes if one.alive
    ) and all(world.serving(agency) for agency in world.agencies)


def all_trusted(world: World) -> bool:
    """Tell whether nobody holds anybody revoked."""
    return not any(
        _rows(world, agency, "SELECT 1 FROM peer WHERE state <> 'trusted'")
        for agency in world.agencies
    )


def newest_card(world: World, agency: AgencyId) -> TrustedCard:
    """Return an agency's own newest card, as its disk has it."""
    ((sealed, taken_ms),) = _rows(
        world,
        agency,
        "SELECT c.sealed, c.taken_ms FROM directory d JOIN card c ON c.sha256 = d.own_card_sha256",
    )
    return open_card_once(sealed, taken_ms)


def promises_too_much(world: World, agency: AgencyId) -> bool:
    """Tell whether an agency's card allows larger batches than its settings."""
    allowed = world.configs[agency].limits.batch_envelopes
    return newest_card(world, agency).card.limits.batch_envelopes > allowed


def ended(world: World, agency: AgencyId) -> list[MessageId]:
    """Return the messages of which a copy ended without a receipt."""
    rows = _rows(
        world,
        agency,
        "SELECT DISTINCT message_id FROM outbox"
        " WHERE state IN ('dead', 'expired', 'refused') AND resealed_as IS NULL",
    )
    return [row[0] for row in rows]


def newest_date(world: World) -> int:
    """Return the latest date that any message or card bears, Unix milliseconds."""
    dates = [0]
    for agency in world.agencies:
        dates += (row[0] or 0 for row in _rows(world, agency, "SELECT max(created_ms) FROM sent"))
        dates.append(newest_card(world, agency).card.issued_ms)
    return max(dates)


def check_ends(world: World) -> None:
    """Every message has come to the end that the history explains.

    Raises:
        Broken: One has not.
    """
    for agency in world.agencies:
        known = {row[0] for row in _rows(world, agency, "SELECT message_id FROM sent")}
        lost = world.promised[agency] - known
        if lost:
            raise Broken(f"{agency} lost {len(lost)} messages that it had said were shared")
        for row in _rows(
            world,
            agency,
            "SELECT message_id, agency, state, code, expires_ms FROM outbox"
            " WHERE state <> 'acknowledged'",
        ):
            _check_end(world, agency, row)


def check_erased(world: World) -> None:
    """What an operator was told is erased stays so, whatever comes in again afterwards.

    Raises:
        Broken: Content or a key to it is there, or the ledger does not say once that it is gone.
    """
    for agency in world.agencies:
        for sender, message_id in sorted(world.erased[agency]):
            where = f"{agency}: erased message {message_id.hex()[-6:]} of {sender}"
            if _content_of(world, agency, sender, message_id) != [(None, None)]:
                raise Broken(f"{where} is there")
            erased = [
                entry
                for entry in _entries_of(world, agency, message_id)
                if entry.kind is EntryKind.ERASED
            ]
            if len(erased) != 1:
                raise Broken(f"{where}: the ledger says so {len(erased)} times")


def obeyed(world: World) -> bool:
    """Tell whether every node has done what it must about every recall that it got."""
    return not any(
        _rows(world, agency, "SELECT 1 FROM recall WHERE answer_id IS NULL LIMIT 1")
        for agency in world.agencies
    )


def check_recalled(world: World) -> None:
    """What was recalled from an agency is not there, and both ledgers' owners know it.

    Raises:
        Broken: Content or a key to it is there, or its sender was not told.
    """
    statement = (
        "SELECT s.message_id, s.in_reply_to, o.agency FROM sent s JOIN outbox o USING (message_id)"
        " WHERE s.kind = 'recall' AND o.state = 'acknowledged'"
    )
    for sender in world.agencies:
        for recall_id, message_id, agency in _rows(world, sender, statement):
            where = f"{agency}: {message_id.hex()[-6:]}, recalled by {sender}"
            if _content_of(world, agency, sender, message_id) not in ([], [(None, None)]):
                raise Broken(f"{where}, is there")
            answers = _rows(
                world,
                sender,
                "SELECT sender FROM inbox WHERE kind = 'destruction' AND in_reply_to = ?",
                recall_id,
            )
            sent = _rows(
                world,
                agency,
                "SELECT o.state FROM sent s JOIN outbox o USING (message_id)"
                " WHERE s.kind = 'destruction' AND s.in_reply_to = ?",
                recall_id,
            )
            if len(sent) != 1:
                raise Broken(f"{where}: {len(sent)} answers")
            arrived = [one for (one,) in answers if one == agency]
            if sent == [("acknowledged",)] and len(arrived) != 1:
                raise Broken(f"{where}: the answer did not arrive")


def _content_of(
    world: World, agency: AgencyId, sender: str, message_id: MessageId
) -> list[tuple[Any, ...]]:
    if sender == agency:
        statement = "SELECT ciphertext, content_key FROM sent WHERE message_id = ?"
        return _rows(world, agency, statement, message_id)
    statement = "SELECT ciphertext, content_key FROM inbox WHERE message_id = ? AND sender = ?"
    return _rows(world, agency, statement, message_id, sender)


def _entries_of(world: World, agency: AgencyId, message_id: MessageId) -> list[Entry]:
    rows = _rows(world, agency, "SELECT entry FROM ledger_entry WHERE message_id = ?", message_id)
    return [decode_once(row[0]) for row in rows]


def _check_end(world: World, agency: AgencyId, row: tuple[Any, ...]) -> None:
    message_id, to, state, code, expires_ms = row
    passed = expires_ms <= world.now_ms() or "clock" in world.excuses
    explained = {
        "expired": passed,
        "refused": code == "EXPIRED" and passed,
        "dead": (code == "PEER_REVOKED" and "revoked" in world.excuses)
        or (code == "ERASED" and not world.excuses.isdisjoint({"erased", "recalled"}))
        or (code == "RECALLED" and "recalled" in world.excuses),
    }
    if not explained.get(state, False):
        raise Broken(f"message {message_id.hex()[-6:]} of {agency} to {to} is {state}, {code}")


def check_witnessed(world: World, last: dict[AgencyId, MessageId]) -> None:
    """After one more message each way, each ledger is witnessed by every partner up to it.

    Args:
        world: The history.
        last: The last message of each agency, acknowledged by all its partners.

    Raises:
        Broken: A ledger is not.
    """
    for owner, message_id in last.items():
        shared = _rows(
            world, owner, "SELECT entry_index FROM sent WHERE message_id = ?", message_id
        )
        if not shared:
            raise Broken(f"{owner} lost the last message")
        index = shared[0][0]
        for witness in world.others(owner):
            rows = _rows(
                world,
                witness,
                "SELECT size FROM witness_head WHERE origin = ?",
                ledger_origin(owner, 1),
            )
            if not rows or rows[0][0] <= index:
                raise Broken(f"{witness} has not witnessed entry {index} of {owner}")
            told = _rows(world, owner, "SELECT witnessed_size FROM link WHERE agency = ?", witness)
            if not told or told[0][0] <= index:
                raise Broken(f"{owner} does not hold the cosignature of {witness} on {index}")


def _rows(world: World, agency: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    # Found by id: an agency is named in a row by its text.
    disk = next(disk for name, disk in world.disks.items() if name == agency)
    return disk.connection.execute(statement, values).fetchall()
