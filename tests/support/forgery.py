"""The trade of forging: who is attacked, what a forgery is, and a catalogue to enter them in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sesn_node.domain.refusals import RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.domain.ids import MessageId
    from sesn_node.domain.payload import Payload
    from sesn_node.trust.card import TrustedCard
    from sesn_node.wire._pb.exchange_pb2 import Shipment
    from tests.support.puppet import Letter, Puppet


@dataclass(frozen=True, slots=True)
class Target:
    """Who is attacked, and who else there is.

    Args:
        puppet: Sends the forgery over its own, proven connection.
        to: The receiver's card.
        other: Another agency's card, known to the puppet only.
    """

    puppet: Puppet
    to: TrustedCard
    other: TrustedCard

    def letter(
        self,
        *,
        payload: Payload | bytes | None = None,
        message_id: MessageId | None = None,
        **changes: object,
    ) -> Letter:
        """Write an honest letter to the receiver; `changes` replace fields of its header."""
        return self.puppet.letter(self.to, payload=payload, message_id=message_id, **changes)


@dataclass(frozen=True, slots=True)
class Forgery:
    """A way to forge a message.

    Args:
        make: Writes the letter.
        code: The refusal that it must meet.
        logged: Whether the refusal is an entry of the receiver's ledger.
        mangle: Changes the shipment on the wire, after it was proven.
    """

    make: Callable[[Target], Letter]
    code: RefusalCode
    logged: bool = False
    mangle: Callable[[Shipment], None] | None = None


class Catalogue(dict[str, Forgery]):
    """Forgeries by name. A forgery is good in every respect but the one that its name tells."""

    def enter(
        self, code: RefusalCode, *, logged: bool = False
    ) -> Callable[[Callable[[Target], Letter]], Callable[[Target], Letter]]:
        """Enter a function that writes a letter, under its own name."""

        def decorate(make: Callable[[Target], Letter]) -> Callable[[Target], Letter]:
            self[make.__name__] = Forgery(make, code, logged)
            return make

        return decorate

    def on_the_wire(
        self,
        name: str,
        code: RefusalCode,
        mangle: Callable[[Shipment], None],
        *,
        logged: bool = False,
    ) -> None:
        """Enter an honest letter whose shipment is changed on the wire."""
        self[name] = Forgery(Target.letter, code, logged, mangle)

    def with_header(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Enter a header of other bytes, sealed and shared as they are."""

        def make(target: Target) -> Letter:
            letter = target.letter()
            return replace(letter, header=change(letter.header_bytes))

        self[name] = Forgery(make, RefusalCode.MALFORMED)

    def with_entry_bytes(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Enter a ledger entry of other bytes, proven as they are."""

        def make(target: Target) -> Letter:
            letter = target.letter()
            return replace(letter, entry=change(target.puppet.entry(letter)))

        self[name] = Forgery(make, RefusalCode.MALFORMED, logged=True)

    def with_entry(self, name: str, **changes: object) -> None:
        """Enter a proven ledger entry that is not the SHARED entry of the message."""

        def make(target: Target) -> Letter:
            letter = target.letter()
            return replace(letter, entry=target.puppet.entry(letter, **changes))

        self[name] = Forgery(make, RefusalCode.NOT_IN_LEDGER)
