"""`alert show|accept|decline --from`: which alert is meant when two senders used one id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.commands import sesn
from tests.support.homes import BE, DE, GH, NL
from tests.support.network import alert
from tests.support.puppet import Puppet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network


def test_sender_is_named(connect: Callable[..., Network]) -> None:
    """Without `--from` the error names both senders; with it, each alert is decided by itself."""
    net = connect(NL, GH, DE)
    message_id = net.share(GH, NL, payload=alert("What Ghana saw"))
    net.deliver(GH, NL)
    puppet = Puppet(net[DE])
    letter = puppet.letter(net[NL].card, payload=alert("Made up"), message_id=message_id)
    net[NL].receiver.receive(DE, puppet.batch(letter, old=0))
    net.check()
    net.rest()
    home, name = net[NL].home, message_id.hex()
    for line in (("show", name), ("accept", name), ("decline", name, "--reason", "No.")):
        sesn("alert", *line, home=home).failed(7, "AMBIGUOUS", GH, DE, "--from")
        sesn("alert", *line, "--from", BE, home=home).failed(6, "UNKNOWN_MESSAGE", BE)
        sesn("alert", *line, "--from", "?", home=home).failed(4, "MALFORMED")
    for sender, subject in ((GH, "What Ghana saw"), (DE, "Made up")):
        shown = sesn("alert", "show", name, "--from", sender, "--json", home=home)
        assert (shown.json["from"], shown.json["subject"]) == (sender, subject)
    decline = ("decline", name, "--reason", "No.", "--from", DE)
    assert sesn("alert", *decline, home=home).code == 0
    assert sesn("alert", "accept", name, "--from", GH, home=home).code == 0
    for sender, decision in ((GH, "ACCEPTED"), (DE, "DECLINED")):
        shown = sesn("alert", "show", name, "--from", sender, "--json", home=home)
        assert shown.json["decision"] == decision
