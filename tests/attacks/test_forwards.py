"""Forwards that a partner's dishonest node makes up: what another agency never said, or never let.

Germany's node passes messages of the Netherlands on to Ghana, which trusts both. Each forgery is
good in every respect but the one that its name tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from sesn_node.crypto.primitives import random_bytes
from sesn_node.domain.batches import ProvenEntry, Refused
from sesn_node.domain.conversation import Decision, Note, Response
from sesn_node.domain.forward import MAX_FORWARD_BYTES, Forward, Original
from sesn_node.domain.ids import new_message_id
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Body, Payload
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange.forwardviews import carried
from sesn_node.exchange.open import open_received
from sesn_node.exchange.originals import Standing
from sesn_node.exchange.peers import take_card
from sesn_node.exchange.views import alert_file
from sesn_node.wire._pb import payload_pb2 as pb
from sesn_node.wire.payloads import encode_payload
from tests.support.homes import BE, DE, GH, NL, Homes
from tests.support.network import HOUR_MS, Member, Network
from tests.support.passing import GRANTED, consent_letter, marked, original_of
from tests.support.puppet import Puppet
from tests.support.snapshot import counts
from tests.support.wires import codes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sesn_node.domain.batches import Outcome
    from sesn_node.trust.card import TrustedCard
    from tests.support.engines import Engine
    from tests.support.puppet import Letter

AMBER: Final = Markings(Tlp.AMBER)
RED: Final = Markings(Tlp.RED)


@dataclass(frozen=True, slots=True)
class Scene:
    """Ghana's node; a Dutch and a German node whose keys the test uses; a Belgian card.

    Args:
        net: All of them.
        ghana: Who receives.
        dutch: Who said it first.
        german: Who passes it on, keeping no rule.
        belgian: Somebody else's card.
        impostor: A node that calls itself Dutch, with a root of its own.
    """

    net: Network
    ghana: Member
    dutch: Puppet
    german: Puppet
    belgian: TrustedCard
    impostor: Puppet

    @property
    def now(self) -> datetime:
        """The time."""
        return datetime.fromtimestamp(self.german.now_ms() / 1000, UTC)

    def dutch_letter(self, payload: Payload | None = None, *to: TrustedCard) -> Letter:
        """Let the Dutch write to the Germans, or to others."""
        return self.dutch.letter(*(to or (self.german.card,)), payload=payload or marked())

    def original(self, markings: Markings = GRANTED) -> Original:
        """An honest original, which may go to Ghana unless it is marked otherwise."""
        return original_of(self.dutch, self.dutch_letter(marked(markings)))

    def post(self, body: Body | bytes, markings: Markings = GRANTED) -> Outcome:
        """Send a message from Germany to Ghana, and check every invariant."""
        payload = body if isinstance(body, bytes) else Payload(markings, body)
        letter = self.german.letter(self.ghana.card, payload=payload)
        batch = self.german.batch(letter, old=self.german.known_to(self.ghana))
        (outcome,) = self.ghana.receiver.receive(self.german.agency, batch).outcomes
        self.net.check()
        return outcome


@pytest.fixture(scope="module")
def impostors(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """Homes of agencies of the same names, founded by somebody else."""
    assert engine is not None
    return Homes(tmp_path_factory.mktemp("impostors"))


@pytest.fixture
def scene(connect: Callable[..., Network], homes: Homes, impostors: Homes, tmp_path: Path) -> Scene:
    """Ghana trusts both; neither is honest."""
    net = connect(GH, DE, NL)
    others = impostors.copy([NL], tmp_path / "impostors", pinned=False)
    impostor = Puppet(Member(others[NL], net.clock, net.faults))
    dutch, german = Puppet(net[NL]), Puppet(net[DE])
    german.append(b"something")
    return Scene(net, net[GH], dutch, german, homes.card(BE), impostor)


Make: TypeAlias = "Callable[[Scene], Forward | tuple[Forward, Markings] | bytes]"
FORGERIES: Final[dict[str, tuple[Make, RefusalCode]]] = {}


def forgery(code: RefusalCode) -> Callable[[Make], Make]:
    """Enter a function that writes a forward, under its own name."""

    def decorate(make: Make) -> Make:
        FORGERIES[make.__name__] = (make, code)
        return make

    return decorate


# What the originator did not let.


@forgery(RefusalCode.POLICY)
def nothing_granted(scene: Scene) -> tuple[Forward, Markings]:
    """Pass on what nobody let go further."""
    return Forward(scene.original(AMBER)), AMBER


@forgery(RefusalCode.POLICY)
def granted_to_others(scene: Scene) -> tuple[Forward, Markings]:
    """Pass on to Ghana what may go to Belgium."""
    marks = Markings(Tlp.AMBER, onward=("be.*",))
    return Forward(scene.original(marks)), marks


@forgery(RefusalCode.POLICY)
def marked_red(scene: Scene) -> tuple[Forward, Markings]:
    """Pass on what is for its recipients alone."""
    return Forward(scene.original(RED)), RED


@forgery(RefusalCode.POLICY)
def red_with_a_consent(scene: Scene) -> tuple[Forward, Markings]:
    """Add a consent to it."""
    letter = scene.dutch_letter(marked(RED))
    given = consent_letter(scene.dutch, scene.german.card, letter, "gh.epa")
    originals = original_of(scene.dutch, letter), original_of(scene.dutch, given)
    return Forward(*originals), RED


@forgery(RefusalCode.POLICY)
def past_its_date(scene: Scene) -> tuple[Forward, Markings]:
    """Pass on what nobody may keep any more."""
    marks = replace(GRANTED, retain_until=scene.now - timedelta(seconds=1))
    return Forward(scene.original(marks)), marks


@forgery(RefusalCode.POLICY)
def forwarder_that_never_got_it(scene: Scene) -> tuple[Forward, Markings]:
    """Pass on what the Dutch wrote to the Belgians."""
    letter = scene.dutch_letter(marked(), scene.belgian)
    return Forward(original_of(scene.dutch, letter)), GRANTED


@forgery(RefusalCode.POLICY)
def our_own_message(scene: Scene) -> tuple[Forward, Markings]:
    """Show Ghana what the Germans made up in their own name, as if somebody else had said it."""
    letter = scene.german.letter(scene.belgian, payload=marked())
    return Forward(original_of(scene.german, letter)), GRANTED


# How it is marked.


def _marked_down(name: str, **changes: object) -> None:
    strict = Markings(
        Tlp.AMBER,
        (HandlingCode.H1, HandlingCode.H3),
        "Not to the exporter.",
        purpose="Investigation",
        retain_until=datetime(2100, 1, 1, tzinfo=UTC),
        onward=("gh.epa",),
    )

    def make(scene: Scene) -> tuple[Forward, Markings]:
        # `replace` takes whatever fields the test names; the constructor checks them.
        return Forward(scene.original(strict)), replace(strict, **changes)  # type: ignore[arg-type]

    FORGERIES[name] = (make, RefusalCode.POLICY)


_marked_down("downgraded_label", tlp=Tlp.CLEAR)
_marked_down("court_allowed", handling=(HandlingCode.H3,))
_marked_down("other_words_for_h3", handling_text="None.")
_marked_down("other_purpose", purpose="Anything")
_marked_down("kept_for_good", retain_until=None)
_marked_down("wider_grant", onward=("*",))


# Consents that do not fit.


def _consented(name: str, write: Callable[[Scene, Letter], Original], code: RefusalCode) -> None:
    def make(scene: Scene) -> tuple[Forward, Markings]:
        letter = scene.dutch_letter(marked(AMBER))
        return Forward(original_of(scene.dutch, letter), write(scene, letter)), AMBER

    FORGERIES[name] = (make, code)


def _for_another_message(scene: Scene, _: Letter) -> Original:
    other = scene.dutch_letter(marked(AMBER))
    return original_of(scene.dutch, consent_letter(scene.dutch, scene.german.card, other, "gh.epa"))


def _for_another_header(scene: Scene, letter: Letter) -> Original:
    given = consent_letter(
        scene.dutch, scene.german.card, letter, "gh.epa", header_sha256=bytes(32)
    )
    return original_of(scene.dutch, given)


def _by_the_forwarder(scene: Scene, letter: Letter) -> Original:
    given = consent_letter(scene.german, scene.belgian, letter, "gh.epa")
    return original_of(scene.german, given)


def _by_the_impostor(scene: Scene, letter: Letter) -> Original:
    given = consent_letter(scene.impostor, scene.german.card, letter, "gh.epa")
    return original_of(scene.impostor, given)


def _to_another(scene: Scene, letter: Letter) -> Original:
    return original_of(scene.dutch, consent_letter(scene.dutch, scene.belgian, letter, "gh.epa"))


def _for_others(scene: Scene, letter: Letter) -> Original:
    return original_of(scene.dutch, consent_letter(scene.dutch, scene.german.card, letter, "be.*"))


def _that_has_ended(scene: Scene, letter: Letter) -> Original:
    until = scene.now - timedelta(seconds=1)
    given = consent_letter(scene.dutch, scene.german.card, letter, "gh.epa", until=until)
    return original_of(scene.dutch, given)


def _with_a_forged_seal(scene: Scene, letter: Letter) -> Original:
    honest = original_of(
        scene.dutch, consent_letter(scene.dutch, scene.german.card, letter, "gh.epa")
    )
    return replace(honest, seal=scene.german.sealed(honest.header))


def _that_is_a_note(scene: Scene, _: Letter) -> Original:
    note = scene.dutch_letter(Payload(AMBER, Note("Yes, you may pass it on.")))
    return original_of(scene.dutch, note)


_consented("consent_for_another_message", _for_another_message, RefusalCode.POLICY)
_consented("consent_for_another_header", _for_another_header, RefusalCode.POLICY)
_consented("consent_by_the_forwarder", _by_the_forwarder, RefusalCode.BAD_SEAL)
_consented("consent_by_an_impostor", _by_the_impostor, RefusalCode.BAD_SEAL)
_consented("consent_to_another", _to_another, RefusalCode.POLICY)
_consented("consent_for_others", _for_others, RefusalCode.POLICY)
_consented("consent_that_has_ended", _that_has_ended, RefusalCode.POLICY)
_consented("consent_with_a_forged_seal", _with_a_forged_seal, RefusalCode.BAD_SEAL)
_consented("consent_that_is_a_note", _that_is_a_note, RefusalCode.POLICY)


# What the originator did not say.


@forgery(RefusalCode.BAD_SEAL)
def forged_seal(scene: Scene) -> Forward:
    """Seal it with the forwarder's own key."""
    honest = scene.original()
    return Forward(replace(honest, seal=scene.german.sealed(honest.header)))


@forgery(RefusalCode.BAD_SEAL)
def seal_of_another_message(scene: Scene) -> Forward:
    """Move an honest seal."""
    return Forward(replace(scene.original(), seal=scene.original().seal))


@forgery(RefusalCode.COMMITMENT_MISMATCH)
def swapped_content(scene: Scene) -> Forward:
    """Put other words under an honest header."""
    return Forward(replace(scene.original(), payload=encode_payload(marked(text="Let it pass."))))


@forgery(RefusalCode.COMMITMENT_MISMATCH)
def marks_taken_away(scene: Scene) -> tuple[Forward, Markings]:
    """Mark the content itself down, under an honest header."""
    clear = Markings(Tlp.CLEAR)
    return Forward(replace(scene.original(AMBER), payload=encode_payload(marked(clear)))), clear


@forgery(RefusalCode.COMMITMENT_MISMATCH)
def other_salt(scene: Scene) -> Forward:
    """Change the salt."""
    return Forward(replace(scene.original(), salt=bytes(32)))


@forgery(RefusalCode.BAD_SEAL)
def impostor(scene: Scene) -> Forward:
    """Make a card in the name of a pinned agency, under another root, and say anything."""
    letter = scene.impostor.letter(scene.german.card, payload=marked())
    return Forward(original_of(scene.impostor, letter))


@forgery(RefusalCode.BAD_SEAL)
def honest_card_around_an_impostors_seal(scene: Scene) -> Forward:
    """Put the pinned card beside what the impostor sealed."""
    letter = scene.impostor.letter(scene.german.card, payload=marked())
    return Forward(original_of(scene.impostor, letter, card=scene.dutch.card.sealed))


@forgery(RefusalCode.BAD_SEAL)
def card_of_the_forwarder(scene: Scene) -> Forward:
    """Seal a Dutch header with a German key, and show the German card for it."""
    letter = scene.german.letter(scene.belgian, payload=marked(), sender=NL)
    letter = replace(letter, fields=replace(letter.fields, sender=NL))
    honest = scene.original()
    sealed = replace(letter, seal=scene.german.sealed(letter.header_bytes))
    return Forward(
        replace(
            honest,
            header=sealed.header_bytes,
            seal=sealed.seal or b"",
            card=scene.german.card.sealed,
        )
    )


@forgery(RefusalCode.BAD_SEAL)
def card_that_its_root_did_not_seal(scene: Scene) -> Forward:
    """Flip a bit of the card's seal."""
    card = bytearray(scene.dutch.card.sealed)
    card[-1] ^= 1
    return Forward(replace(scene.original(), card=bytes(card)))


@forgery(RefusalCode.BAD_SEAL)
def key_that_was_not_in_force(scene: Scene) -> Forward:
    """Date it before the key that seals it."""
    created_ms = scene.dutch.card.card.seal_keys[0].not_before_ms - 1
    letter = scene.dutch.letter(
        scene.german.card, payload=marked(), created_ms=created_ms, expires_ms=created_ms + HOUR_MS
    )
    return Forward(original_of(scene.dutch, letter))


@forgery(RefusalCode.POLICY)
def original_of_the_future(scene: Scene) -> Forward:
    """Pass on what will be written tomorrow."""
    created_ms = scene.dutch.now_ms() + HOUR_MS
    letter = scene.dutch.letter(
        scene.german.card, payload=marked(), created_ms=created_ms, expires_ms=created_ms + HOUR_MS
    )
    return Forward(original_of(scene.dutch, letter))


# What cannot be passed on, and what cannot be read.


@forgery(RefusalCode.POLICY)
def forward_within_a_forward(scene: Scene) -> Forward:
    """Let the Dutch forward what the Germans then forward."""
    inner = scene.german.letter(scene.dutch.card, payload=marked())
    nested = Payload(GRANTED, Forward(original_of(scene.german, inner)))
    return Forward(original_of(scene.dutch, scene.dutch_letter(nested)))


@forgery(RefusalCode.POLICY)
def decision_passed_on(scene: Scene) -> Forward:
    """Pass on what the Dutch decided on an alert."""
    asked = new_message_id(scene.dutch.now_ms(), random_bytes(10))
    decided = Payload(GRANTED, Response(asked, bytes(32), Decision.DECLINED, "No."))
    return Forward(original_of(scene.dutch, scene.dutch_letter(decided)))


@forgery(RefusalCode.MALFORMED)
def header_of_garbage(scene: Scene) -> Forward:
    """Carry no header."""
    return Forward(replace(scene.original(), header=b"\xff" * 100))


@forgery(RefusalCode.MALFORMED)
def header_with_trailing_bytes(scene: Scene) -> Forward:
    """Carry a header in another encoding, sealed as it is."""
    letter = scene.dutch_letter()
    header = letter.header_bytes + b"\0"
    changed = replace(letter, header=header, seal=scene.dutch.sealed(header))
    return Forward(original_of(scene.dutch, changed))


@forgery(RefusalCode.MALFORMED)
def card_of_garbage(scene: Scene) -> Forward:
    """Carry no card."""
    return Forward(replace(scene.original(), card=b"\xff" * 100))


@forgery(RefusalCode.MALFORMED)
def content_of_garbage(scene: Scene) -> Forward:
    """Carry a message whose content nobody can read."""
    letter = scene.dutch.letter(scene.german.card, payload=b"\xff" * 100)
    return Forward(original_of(scene.dutch, letter))


@forgery(RefusalCode.MALFORMED)
def more_than_can_be_passed_on(scene: Scene) -> bytes:
    """Carry more than the bound, within the bound of a payload."""
    message = pb.Payload.FromString(encode_payload(Payload(GRANTED, Forward(scene.original()))))
    message.forward.original.payload = bytes(MAX_FORWARD_BYTES)
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", FORGERIES)
def test_hostile_forward(scene: Scene, name: str) -> None:
    """It is refused with its code, logged once, and nothing of it is kept or told."""
    make, code = FORGERIES[name]
    made = make(scene)
    body, marks = made if isinstance(made, tuple) else (made, GRANTED)
    before = counts(scene.ghana.office)
    outcome = scene.post(body, marks)
    assert codes([outcome]) == [code]
    after = counts(scene.ghana.office)
    changed = {
        table: after[table] - before[table] for table in after if after[table] != before[table]
    }
    assert (changed.pop("refusal"), changed.pop("ledger_entry")) == (1, 1)
    assert set(changed) <= {"checkpoint", "cosignature", "ledger_node", "witness_head"}
    assert isinstance(outcome, Refused)
    for word in ("nl.", "de.", "be.", "Dutch", "containers"):
        assert word not in outcome.detail, "what a forward carries is nobody else's business"


def test_honest_forward(scene: Scene) -> None:
    """The forgeries fail for what their names tell: without it, the forward is taken."""
    assert isinstance(scene.post(Forward(scene.original())), ProvenEntry)
    letter = scene.dutch_letter(marked(AMBER))
    given = consent_letter(scene.dutch, scene.german.card, letter, "gh.epa")
    originals = original_of(scene.dutch, letter), original_of(scene.dutch, given)
    assert isinstance(scene.post(Forward(*originals), AMBER), ProvenEntry)
    clear = Markings(Tlp.CLEAR)
    to_others = original_of(scene.dutch, scene.dutch_letter(marked(clear), scene.belgian))
    assert isinstance(scene.post(Forward(to_others), clear), ProvenEntry)


def test_unknown_originator_is_shown_as_such(connect: Callable[..., Network]) -> None:
    """Ghana never pinned the Dutch card: it takes the forward, and says that it cannot tell."""
    net = connect(GH, DE, NL, pinned=False)
    net.trust(GH, DE)
    net.trust(DE, GH)
    dutch, german = Puppet(net[NL]), Puppet(net[DE])
    payload = marked()
    carries = original_of(dutch, dutch.letter(german.card, payload=payload))
    letter = german.letter(net[GH].card, payload=Payload(GRANTED, Forward(carries)))
    answer = net[GH].receiver.receive(DE, german.batch(letter, old=0))
    net.check()
    assert codes(answer.outcomes) == [None]
    shown = alert_file(net[GH].office, letter.message_id).alert
    assert shown.forward is not None
    assert (shown.forward.originator, shown.forward.standing) == (NL, Standing.UNKNOWN)
    assert shown.forward.fingerprint == dutch.card.fingerprint
    (row,) = net[GH].received(letter.message_id)
    assert carried(open_received(net[GH].office, row)) == payload


def test_impostor_who_came_first_is_found_out(
    connect: Callable[..., Network], impostors: Homes, tmp_path: Path
) -> None:
    """A forward of somebody who calls himself Dutch; then the Dutch are pinned."""
    net = connect(GH, DE, NL, pinned=False)
    net.trust(GH, DE)
    net.trust(DE, GH)
    others = impostors.copy([NL], tmp_path / "impostors", pinned=False)
    impostor, german = Puppet(Member(others[NL], net.clock, net.faults)), Puppet(net[DE])
    carries = original_of(impostor, impostor.letter(german.card, payload=marked()))
    letter = german.letter(net[GH].card, payload=Payload(GRANTED, Forward(carries)))
    assert codes(net[GH].receiver.receive(DE, german.batch(letter, old=0)).outcomes) == [None]
    net.trust(GH, NL)
    shown = alert_file(net[GH].office, letter.message_id).alert.forward
    assert shown is not None
    assert shown.standing is Standing.OTHER_ROOT


@pytest.mark.parametrize("wrong", ["header", "in_reply_to"])
def test_consent_that_contradicts_itself(scene: Scene, wrong: str) -> None:
    """A consent names the message that it answers, and the header that came under that id."""
    alert = scene.dutch.letter(scene.ghana.card, payload=marked())
    known = scene.dutch.batch(alert, old=0)
    assert codes(scene.ghana.receiver.receive(NL, known).outcomes) == [None]
    for honest in (False, True):
        header = None if honest or wrong != "header" else bytes(32)
        answers = alert.message_id if honest or wrong != "in_reply_to" else None
        given = consent_letter(
            scene.dutch, scene.ghana.card, alert, "be.*", header_sha256=header, in_reply_to=answers
        )
        batch = scene.dutch.batch(given, old=scene.dutch.known_to(scene.ghana))
        answer = scene.ghana.receiver.receive(NL, batch)
        assert codes(answer.outcomes) == [None if honest else RefusalCode.POLICY]
    scene.net.check()


def test_originator_that_was_cut_off(scene: Scene) -> None:
    """What a revoked agency said is not taken through others either."""
    honest = scene.original()
    scene.net.revoke(GH, NL)
    assert codes([scene.post(Forward(honest))]) == [RefusalCode.POLICY]


def test_key_that_a_later_card_ended(connect: Callable[..., Network], homes: Homes) -> None:
    """A stolen key with the older card, and a message dated to when it had ended already."""
    net = connect(GH, DE, NL)
    old_card = net[NL].card
    net.pass_time(2 * HOUR_MS)
    (key,) = old_card.card.seal_keys
    ended = replace(key, not_after_ms=net.clock.now_ms - HOUR_MS)
    (other,) = homes.card(BE).card.seal_keys
    fresh = replace(other, not_before_ms=net.clock.now_ms - HOUR_MS)
    later = net[NL].later_card(seal_keys=(ended, fresh))
    take_card(net[GH].office, NL, later.sealed)
    thief, german = Puppet(net[NL]), Puppet(net[DE])
    for created_ms, code in (
        (net.clock.now_ms - 3 * HOUR_MS // 2, None),
        (net.clock.now_ms - HOUR_MS // 2, RefusalCode.BAD_SEAL),
    ):
        stolen = thief.letter(german.card, payload=marked(), created_ms=created_ms)
        carries = original_of(thief, stolen, card=old_card.sealed)
        letter = german.letter(net[GH].card, payload=Payload(GRANTED, Forward(carries)))
        batch = german.batch(letter, old=german.known_to(net[GH]))
        assert codes(net[GH].receiver.receive(DE, batch).outcomes) == [code]
    net.check()
