"""Messages that are passed on, made by hand: of an originator, by somebody who keeps no rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.crypto.seal import MessageContext, open_commitment
from sesn_node.crypto.signing import body_hash
from sesn_node.domain.conversation import Consent
from sesn_node.domain.forward import Original
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.messages import SUITE
from sesn_node.domain.payload import Payload
from tests.support.network import alert

if TYPE_CHECKING:
    from datetime import datetime

    from sesn_node.domain.ids import MessageId
    from sesn_node.trust.card import TrustedCard
    from tests.support.puppet import Letter, Puppet

GRANTED = Markings(Tlp.AMBER, onward=("gh.*",))
"""Marks that let a message go to Ghana."""


def marked(markings: Markings = GRANTED, text: str = "Two containers") -> Payload:
    """Write an alert with these marks."""
    return Payload(markings, alert(text).body)


def original_of(originator: Puppet, letter: Letter, *, card: bytes | None = None) -> Original:
    """Open a letter for others, as whoever received it can."""
    salt, payload = open_commitment(
        letter.ciphertext,
        letter.content_key,
        MessageContext(SUITE, letter.message_id, letter.fields.sender),
        letter.fields.ciphertext_sha256,
        letter.fields.commitment,
    )
    header = letter.header_bytes
    seal = originator.sealed(header) if letter.seal is None else letter.seal
    return Original(header, seal, salt, payload, card or originator.card.sealed)


def consent_letter(
    originator: Puppet,
    to: TrustedCard,
    about: Letter,
    *onward: str,
    until: datetime | None = None,
    header_sha256: bytes | None = None,
    in_reply_to: MessageId | None = None,
) -> Letter:
    """Write the originator's consent to pass a letter on."""
    body = Consent(
        message_id=about.message_id,
        header_sha256=header_sha256 or body_hash(about.header_bytes),
        onward=onward,
        until=until,
    )
    return originator.letter(
        to, payload=Payload(Markings(Tlp.AMBER), body), in_reply_to=in_reply_to
    )
