"""The invariant checker itself: it finds what it says that it looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node import bootstrap
from sesn_node.domain.conversation import Decision
from sesn_node.errors import SesnError
from sesn_node.exchange.requeue import requeue
from tests.support.alerts import consignment
from tests.support.check_node import check_network, check_node
from tests.support.engines import current
from tests.support.homes import GH, NL
from tests.support.network import HOUR_MS, Network
from tests.support.trips import other_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sesn_node.domain.ids import AgencyId
    from tests.support.homes import Homes


@pytest.fixture(scope="module")
def history(
    homes: Homes, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mapping[AgencyId, Path], int]:
    """Closed homes of two agencies with something of every kind, and the time."""
    folder = tmp_path_factory.mktemp("history")
    paths = homes.copy((NL, GH), folder)
    net = Network(paths, max(homes.card(agency).card.issued_ms for agency in paths) + HOUR_MS)
    first = net.share(NL, GH, payload=consignment())
    net.deliver(NL, GH)
    net.respond(GH, first, Decision.ACCEPTED)
    net.deliver(GH, NL)
    net[NL].issue()
    net.share(NL, GH, expires_ms=net.clock.now_ms + HOUR_MS)
    net[GH].skew_ms = 2 * HOUR_MS
    net.deliver(NL, GH)
    net[GH].skew_ms = 0
    not_opened = net.share(NL, GH)
    wire = net.wire(NL, GH)
    wire.tamper_request = other_key
    wire.deliver()
    requeue(net[NL].office, not_opened)
    net.share(NL, GH)
    net.close()
    return paths, net.clock.now_ms


@pytest.fixture
def net(history: tuple[Mapping[AgencyId, Path], int], tmp_path: Path) -> Iterator[Network]:
    """The two agencies, opened."""
    paths, now_ms = history
    copies = {agency: tmp_path / agency for agency in paths}
    for agency, path in paths.items():
        current().copy(path, copies[agency])
    net = Network(copies, now_ms)
    yield net
    net.close()


def _alter(net: Network, agency: AgencyId, statement: str) -> None:
    """Change a closed database past the node and its triggers."""
    net[agency].close()
    with current().raw(net[agency].home) as database:
        database.lift_guards()
        assert database.change(statement) > 0, "the statement changes nothing"
    net[agency].open()


_SENDER = (
    "UPDATE ledger_entry SET entry = x'00' WHERE entry_index = 2",
    "UPDATE ledger_entry SET kind = 'SHARED' WHERE kind = 'ACKNOWLEDGED'",
    "DELETE FROM ledger_entry WHERE entry_index = 3",
    "UPDATE ledger_node SET hash = zeroblob(32) WHERE position = 0",
    "DELETE FROM ledger_node WHERE position = 2",
    "INSERT INTO ledger_node VALUES (10000, zeroblob(32))",
    "UPDATE ledger_head SET size = size - 1",
    "UPDATE ledger_head SET root = zeroblob(32)",
    "UPDATE ledger_head SET note = (SELECT note FROM checkpoint LIMIT 1)",
    "UPDATE sent SET entry_index = 1",
    "UPDATE sent SET header_sha256 = zeroblob(32)",
    "UPDATE sent SET seal = zeroblob(70)",
    "UPDATE sent SET ciphertext = zeroblob(100)",
    "UPDATE sent SET content_key = zeroblob(60)",
    "UPDATE sent SET priority = 3",
    "UPDATE sent SET kind = 'response'",
    "DELETE FROM sent WHERE message_id = (SELECT min(message_id) FROM sent)",
    "UPDATE outbox SET state = 'queued'",
    "UPDATE outbox SET state = 'dead', code = 'DEAD' WHERE state = 'queued'",
    "UPDATE outbox SET state = 'expired', code = 'EXPIRED' WHERE state = 'refused'",
    "UPDATE outbox SET code = 'POLICY' WHERE state = 'refused'",
    "UPDATE outbox SET receipt_entry = NULL",
    "UPDATE outbox SET receipt_index = receipt_index + 1",
    "UPDATE outbox SET receipt_proof = x''",
    "UPDATE outbox SET receipt_size = receipt_size + 1",
    "UPDATE outbox SET shared_size = shared_size + 1",
    "UPDATE outbox SET wrapped_key = zeroblob(1168)",
    "UPDATE outbox SET agency = 'be.police'",
    "DELETE FROM outbox WHERE state = 'queued'",
    "UPDATE outbox SET resealed_as = NULL",
    "UPDATE outbox SET resealed_as = message_id WHERE resealed_as IS NOT NULL",
    "UPDATE outbox SET state = 'queued', settled_ms = NULL WHERE resealed_as IS NOT NULL",
    "DELETE FROM search_term",
    "UPDATE search_term SET at_ms = at_ms + 1",
    "UPDATE search_term SET message_id = zeroblob(16)",
    "DELETE FROM inbox",
    "DELETE FROM checkpoint",
    "DELETE FROM checkpoint WHERE origin LIKE 'nl.customs%'",
    "UPDATE checkpoint SET root = zeroblob(32)",
    "DELETE FROM cosignature WHERE agency = 'gh.epa'",
    "DELETE FROM cosignature WHERE agency = 'nl.customs'",
    "UPDATE cosignature SET lines = (SELECT lines FROM cosignature LIMIT 1)",
    "DELETE FROM witness_head",
    "UPDATE witness_head SET size = size - 1",
    "UPDATE witness_head SET root = zeroblob(32)",
    "UPDATE peer SET state = 'revoked'",
    "DELETE FROM peer",
    "UPDATE directory SET version = version + 1",
    "UPDATE card SET sealed = x'00' WHERE agency = 'gh.epa'",
    "DELETE FROM card WHERE agency = 'nl.customs' AND sequence = 1",
    "UPDATE directory SET own_card_sha256 = (SELECT min(sha256) FROM card WHERE sequence = 1)",
)

_RECEIVER = (
    "UPDATE inbox SET entry_index = 0",
    "UPDATE inbox SET sender = 'be.police'",
    "UPDATE inbox SET seal = zeroblob(70)",
    "UPDATE inbox SET content_key = zeroblob(60)",
    "UPDATE inbox SET shared_index = shared_index + 1",
    "UPDATE inbox SET shared_proof = x''",
    "UPDATE inbox SET shared_entry = zeroblob(100)",
    "UPDATE inbox SET shared_size = shared_size + 1",
    "UPDATE inbox SET kind = 'response'",
    "DELETE FROM search_term WHERE term = (SELECT min(term) FROM search_term)",
    "UPDATE refusal SET code = 'POLICY'",
    "DELETE FROM refusal",
)


@pytest.mark.parametrize(
    ("agency", "statement"),
    [(NL, statement) for statement in _SENDER] + [(GH, statement) for statement in _RECEIVER],
)
def test_altered_database_is_found(net: Network, agency: AgencyId, statement: str) -> None:
    """Every single change to a row that an invariant speaks of fails the check of its node."""
    _alter(net, agency, statement)
    with pytest.raises((AssertionError, SesnError)):
        check_node(net[agency].office)


def test_head_file_ahead_is_found(net: Network, tmp_path: Path) -> None:
    """A head file that the database has not reached is found, and expected of an old copy."""
    net[NL].close()
    current().save(net[NL].home, tmp_path / "copy")
    net[NL].open()
    net.share(NL, GH)
    net[NL].close()
    current().put_back(net[NL].home, tmp_path / "copy")
    net[NL].open()
    with pytest.raises(AssertionError, match="head file is ahead"):
        check_node(net[NL].office)
    check_node(net[NL].office, old_copy=True)


def test_healthy_node_is_no_old_copy(net: Network) -> None:
    """A node in order does not pass for an old copy."""
    with pytest.raises(AssertionError, match="not an old copy"):
        check_node(net[NL].office, old_copy=True)


def test_missing_head_file_is_found(net: Network) -> None:
    """A node without a head file is found."""
    (net[NL].home / bootstrap.HEAD_FILE).unlink()
    with pytest.raises(AssertionError, match="no head file"):
        check_node(net[NL].office)


@pytest.mark.parametrize("agency", [NL, GH])
def test_database_of_another_moment_is_found(
    net: Network, agency: AgencyId, tmp_path: Path
) -> None:
    """Two nodes that are each in order, but of different moments, do not fit together."""
    member = net[agency]
    member.close()
    head_file = member.home / bootstrap.HEAD_FILE
    before = head_file.read_bytes()
    current().save(member.home, tmp_path / "copy")
    member.open()
    # One message more than a crash before settling would explain.
    net.deliver(NL, GH)
    net.share(NL, GH)
    net.deliver(NL, GH)
    member.close()
    head_file.write_bytes(before)
    current().put_back(member.home, tmp_path / "copy")
    member.open()
    check_node(member.office)
    with pytest.raises(AssertionError):
        check_network(net.offices())
