"""Groups of recipients: they stand for their members, and never for somebody who is not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node.domain.ids import AgencyId
from sesn_node.errors import MalformedError, PolicyError
from sesn_node.exchange import groups as module
from sesn_node.exchange.groups import Group, extend_group, groups, resolve, shrink_group
from tests.support.homes import BE, GH, NL
from tests.support.snapshot import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.office import Office
    from tests.support.network import Network


@pytest.fixture
def net(connect: Callable[..., Network]) -> Network:
    """Three agencies."""
    return connect(NL, GH, BE)


@pytest.fixture
def office(net: Network) -> Office:
    """The office that has the groups."""
    return net[NL].office


def test_added_listed_removed(net: Network, office: Office) -> None:
    """A group begins with its first member and is gone without its last; nothing is sent."""
    assert extend_group(office, "west-africa", [GH]).members == (GH,)
    with unchanged(office):
        extend_group(office, "@west-africa", [GH])
    assert extend_group(office, "west-africa", [BE, GH]) == Group("west-africa", (BE, GH))
    extend_group(office, "police", [BE])
    assert groups(office) == (Group("police", (BE,)), Group("west-africa", (BE, GH)))
    net[NL].reopen()
    again = net[NL].office
    assert shrink_group(again, "west-africa", [BE]).members == (GH,)
    assert shrink_group(again, "west-africa", []).members == ()
    assert groups(again) == (Group("police", (BE,)),)


def test_resolved(office: Office) -> None:
    """Groups and agencies together, each agency once, in the order of the line."""
    extend_group(office, "all", [GH, BE])
    assert resolve(office, ["@all"]) == (BE, GH)
    assert resolve(office, [GH, "@all", GH]) == (GH, BE)
    assert resolve(office, []) == ()


def test_no_longer_trusted(net: Network, office: Office) -> None:
    """Nothing goes to a group with a member who is cut off; the error says what to do."""
    extend_group(office, "all", [GH, BE])
    net.revoke(NL, GH)
    with pytest.raises(PolicyError, match=r"sesn group remove all gh\.epa") as caught:
        resolve(office, ["@all"])
    assert caught.value.code == "NOT_TRUSTED"
    shrink_group(office, "all", [GH])
    assert resolve(office, ["@all"]) == (BE,)


@pytest.mark.parametrize(
    ("name", "agencies", "error"),
    [
        ("all", ["zz.nobody"], PolicyError),
        ("all", [NL], PolicyError),
        ("All", [GH], MalformedError),
        ("-a", [GH], MalformedError),
        ("", [GH], MalformedError),
        ("a" * 41, [GH], MalformedError),
        ("\x1b[2J", [GH], MalformedError),
    ],
)
def test_refused(
    office: Office, name: str, agencies: list[str], error: type[PolicyError | MalformedError]
) -> None:
    """Strangers, ourselves, and names that are none."""
    with unchanged(office), pytest.raises(error):
        extend_group(office, name, [AgencyId(one) for one in agencies])


def test_unknown(office: Office) -> None:
    """A group that is not there, and a member that is not in it."""
    for names in (["@none"], [GH, "@none"]):
        with pytest.raises(PolicyError, match="sesn group add none"):
            resolve(office, names)
    extend_group(office, "all", [GH])
    with pytest.raises(PolicyError, match="not in the group"):
        shrink_group(office, "all", [BE])
    with pytest.raises(PolicyError, match="no group"):
        shrink_group(office, "none", [BE])
    with pytest.raises(MalformedError):
        resolve(office, ["@"])
    with pytest.raises(MalformedError):
        resolve(office, ["NL CUSTOMS"])


def test_bounds(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more groups than anybody needs."""
    monkeypatch.setattr(module, "MAX_GROUPS", 1)
    extend_group(office, "one", [GH])
    with pytest.raises(PolicyError, match="groups already"):
        extend_group(office, "two", [GH])
    extend_group(office, "one", [BE])
    monkeypatch.setattr(module, "MAX_RECIPIENTS", 2)
    assert len(groups(office)[0].members) == 2
