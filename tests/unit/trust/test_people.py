"""Endorsements: what good ones say, and every way in which one is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from sesn_node.crypto.keys import KeyKind
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object
from sesn_node.domain.cards import SealKey
from sesn_node.domain.ids import AgencyId
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.people import (
    MAY,
    Act,
    Endorsement,
    Operator,
    OperatorId,
    Right,
    Role,
    SealedOperator,
    operator_id,
    require,
)
from sesn_node.errors import MalformedError, PolicyError, SesnError
from sesn_node.trust.people import endorse, open_operator, seal_operator, verify_endorsements
from sesn_node.wire.payloads import decode_payload, encode_payload
from sesn_node.wire.people import decode_sealed_operator, encode_sealed_operator
from tests.support.objects import MESSAGE_ID, payload
from tests.unit.trust.agencies import (
    BE,
    CARD_END_MS,
    DAY_MS,
    NL,
    NOW_MS,
    START_MS,
    agency_of,
    make_key,
)

TO = (AgencyId("be.police"), AgencyId("gh.epa"))


@dataclass(frozen=True)
class Person:
    """An operator with a key."""

    sealed: SealedOperator
    signer: Signer

    def signs(self, act: Act, **changes: object) -> Endorsement:
        """Endorse the payload for the recipients, or what the changes say."""
        given: dict[str, object] = {"payload": payload(), "to": TO, "in_reply_to": None}
        given |= {"at_ms": NOW_MS} | changes
        return endorse(self.signer, self.sealed, act=act, **given)  # type: ignore[arg-type] # by name


SEAL_KEY = make_key(KeyKind.SEAL)
SEAL = signer_for(SEAL_KEY)
CARD = agency_of(NL).trusted(seal_keys=(SealKey(SEAL_KEY.public, START_MS, CARD_END_MS),))


def person(name: str, role: Role = Role.OFFICER, **changes: object) -> Person:
    """Make an operator of NL."""
    signer = signer_for(make_key(KeyKind.SEAL))
    operator = Operator(
        agency=NL,
        operator=OperatorId(name),
        role=role,
        public_key=signer.public,
        issued_ms=NOW_MS - DAY_MS,
        expires_ms=NOW_MS + DAY_MS,
    )
    changed = replace(operator, **changes)  # type: ignore[arg-type] # the constructor checks
    return Person(seal_operator(changed, SEAL), signer)


ANNA = person("anna")
BORIS = person("boris", Role.SUPERVISOR)


def verify(*endorsements: Endorsement, to: tuple[AgencyId, ...] = TO) -> list[str]:
    """Verify; returns act and operator of each."""
    whole = replace(payload(), endorsements=endorsements)
    found = verify_endorsements(CARD, whole, to=to, in_reply_to=None)
    return [f"{one.act} {one.operator}" for one in found]


def test_author_and_approver() -> None:
    """Two people of the agency stand behind a message, and it travels."""
    both = ANNA.signs(Act.AUTHORED), BORIS.signs(Act.APPROVED)
    assert verify(*both) == ["AUTHORED anna", "APPROVED boris"]
    whole = replace(payload(), endorsements=both)
    assert decode_payload(encode_payload(whole)) == whole


def test_nobody() -> None:
    """A message need not be endorsed."""
    assert verify() == []


def test_copy_for_some_of_the_recipients() -> None:
    """What was sealed anew for one of them is still what was approved."""
    assert verify(ANNA.signs(Act.AUTHORED), to=TO[:1]) == ["AUTHORED anna"]


def test_stored_operator() -> None:
    """A sealed operator comes back from the database as it was."""
    assert decode_sealed_operator(encode_sealed_operator(ANNA.sealed)) == ANNA.sealed
    assert open_operator(ANNA.sealed, CARD).operator == "anna"


OTHER = replace(payload(), markings=Markings(Tlp.CLEAR))
LATE = person("late", expires_ms=NOW_MS)
ROGUE = replace(ANNA, signer=BORIS.signer)
STRANGER = Person(
    seal_operator(
        Operator(
            agency=BE,
            operator=OperatorId("anna"),
            role=Role.OFFICER,
            public_key=ANNA.signer.public,
            issued_ms=NOW_MS - DAY_MS,
            expires_ms=NOW_MS + DAY_MS,
        ),
        SEAL,
    ),
    ANNA.signer,
)
UNSEALED = Person(
    replace(ANNA.sealed, seal=sign_object(BORIS.signer, ObjectKind.OPERATOR, ANNA.sealed.body)),
    ANNA.signer,
)
UNKNOWN = Person(replace(ANNA.sealed, seal_key_id=b"k" * 32), ANNA.signer)
TWIN = Person(
    seal_operator(
        Operator(
            agency=NL,
            operator=OperatorId("twin"),
            role=Role.SUPERVISOR,
            public_key=ANNA.signer.public,
            issued_ms=NOW_MS - DAY_MS,
            expires_ms=NOW_MS + DAY_MS,
        ),
        SEAL,
    ),
    ANNA.signer,
)
AUTHORED = ANNA.signs(Act.AUTHORED)


@pytest.mark.parametrize(
    ("endorsements", "code"),
    [
        ((ANNA.signs(Act.AUTHORED, payload=OTHER),), "BAD_ENDORSEMENT"),
        ((ANNA.signs(Act.AUTHORED, to=TO[:1]),), "BAD_ENDORSEMENT"),
        ((ANNA.signs(Act.AUTHORED, in_reply_to=MESSAGE_ID),), "BAD_ENDORSEMENT"),
        ((LATE.signs(Act.AUTHORED),), "BAD_ENDORSEMENT"),
        ((STRANGER.signs(Act.AUTHORED),), "BAD_ENDORSEMENT"),
        ((UNSEALED.signs(Act.AUTHORED),), "BAD_SIGNATURE"),
        ((UNKNOWN.signs(Act.AUTHORED),), "UNKNOWN_SEAL_KEY"),
        ((ROGUE.signs(Act.AUTHORED),), "BAD_SIGNATURE"),
        ((replace(AUTHORED, operator=person("anna").sealed),), "BAD_SIGNATURE"),
        ((BORIS.signs(Act.APPROVED),), "BAD_ENDORSEMENT"),
        ((AUTHORED, BORIS.signs(Act.AUTHORED)), "BAD_ENDORSEMENT"),
        ((AUTHORED, person("anna", Role.SUPERVISOR).signs(Act.APPROVED)), "BAD_ENDORSEMENT"),
        ((AUTHORED, TWIN.signs(Act.APPROVED)), "BAD_ENDORSEMENT"),
        ((AUTHORED, person("carl").signs(Act.APPROVED)), "ROLE"),
        ((person("dora", Role.AUDITOR).signs(Act.AUTHORED),), "ROLE"),
        ((replace(AUTHORED, statement=b"\x08\x01"),), "BAD_SIGNATURE"),
    ],
    ids=[
        "other content",
        "fewer recipients",
        "other reply",
        "expired key",
        "of another agency",
        "not sealed by the agency",
        "sealed by an unknown key",
        "signed by somebody else",
        "under another key of the same name",
        "approved, and nobody wrote it",
        "two authors",
        "approved by the author under another role",
        "approved by the author under another name",
        "approved by an officer",
        "written by an auditor",
        "altered statement",
    ],
)
def test_none(endorsements: tuple[Endorsement, ...], code: str) -> None:
    """Whatever is not what it says is refused, with its code."""
    with pytest.raises(SesnError) as error:
        verify(*endorsements)
    assert error.value.code == code


def test_unreadable_statement() -> None:
    """A statement that its operator signed, and nobody can read, is malformed."""
    statement = b"not a statement"
    signature = sign_object(ANNA.signer, ObjectKind.STATEMENT, statement)
    with pytest.raises(MalformedError, match="statement: "):
        verify(Endorsement(statement, signature, ANNA.sealed))


def test_too_many() -> None:
    """A payload has at most eight endorsements."""
    with pytest.raises(MalformedError, match="endorsements: expected 0 to 8"):
        replace(payload(), endorsements=(AUTHORED,) * 9)


@pytest.mark.parametrize("name", ["", "K7", "7k", "k_7", "k-", "k" * 33, "k7\n", "../k"])
def test_operator_ids(name: str) -> None:
    """An id is a plain name: it goes into a file name."""
    with pytest.raises(MalformedError, match="operator: expected a letter"):
        operator_id(name)


def test_role_matrix() -> None:
    """Every right has a role, no role has both ends of four eyes and of trust."""
    assert set().union(*MAY.values()) == set(Right)
    assert Right.WRITE not in MAY[Role.ADMINISTRATOR] | MAY[Role.AUDITOR]
    with pytest.raises(PolicyError, match="does not have the right 'approve'; supervisor has it"):
        require(Role.OFFICER, Right.APPROVE)
