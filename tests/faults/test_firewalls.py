"""Real nodes with a bad network between them: one only dials out, the other only listens.

Everything that passes goes through a proxy that cuts, delays, throttles, reorders or swallows it.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sesn_node.bootstrap import open_home
from sesn_node.config import Delivery
from sesn_node.domain.delivery import DeliveryState
from sesn_node.domain.ids import ledger_origin
from sesn_node.exchange.share import Draft, share
from tests.faults.proxy import Proxy, proxied
from tests.support.homes import GH, NL, PASSPHRASE
from tests.support.patience import wait_until
from tests.support.processes import processes
from tests.support.serving import HOST, check_homes, found_home, introduce, note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sesn_node.domain.ids import MessageId
    from sesn_node.exchange.office import Office
    from tests.support.serving import Home

_CUT_EVERY_S = 2.0
_CUTS = 5
_PACE_S = 0.05
_QUICK = Delivery(backoff_initial_ms=50, backoff_cap_ms=500, poll_ms=200, request_timeout_ms=2_000)


@dataclass(frozen=True, slots=True)
class Wall:
    """The Netherlands' node, which only dials, and Ghana's, which only listens, behind a proxy.

    `nl` and `gh` are offices of their homes in this process, as commands have them.
    """

    proxy: Proxy
    homes: tuple[Home, Home]
    nl: Office
    gh: Office

    def share(self) -> list[tuple[Office, MessageId]]:
        """Share one alert each way."""
        return [
            (self.nl, share(self.nl, Draft(note(), (GH,)))),
            (self.gh, share(self.gh, Draft(note(), (NL,)))),
        ]

    @contextmanager
    def traffic(self) -> Iterator[list[tuple[Office, MessageId]]]:
        """Share alerts both ways all the time, until the block ends."""
        shared: list[tuple[Office, MessageId]] = []
        failed: list[BaseException] = []
        over = threading.Event()

        def work() -> None:
            try:
                while not over.wait(_PACE_S):
                    shared.extend(self.share())
            except BaseException as error:  # noqa: BLE001 - told to the test, whatever it is
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield shared
        finally:
            over.set()
            thread.join()
        assert failed == []


@contextmanager
def _wall(folder: Path) -> Iterator[Wall]:
    with ExitStack() as stack:
        ports: list[int] = []
        proxy = stack.enter_context(proxied(lambda: (HOST, ports[0])))
        nl = found_home(folder, NL, _QUICK, listens=False)
        gh = found_home(folder, GH, _QUICK, advertises=proxy.address)
        ports.append(gh.port)
        introduce(nl, gh)
        offices = [stack.enter_context(open_home(home.path, PASSPHRASE)) for home in (nl, gh)]
        with processes(nl, gh):
            yield Wall(proxy, (nl, gh), offices[0].office, offices[1].office)
    check_homes(nl, gh)


def _acknowledged(office: Office, message_id: MessageId) -> bool:
    with office.store.read() as transaction:
        (copy,) = transaction.outbox.copies(message_id)
        return copy.state is DeliveryState.ACKNOWLEDGED


def _wait_for(shared: list[tuple[Office, MessageId]]) -> None:
    for office, message_id in shared:
        wait_until(
            partial(_acknowledged, office, message_id),
            f"{office.agency} holds the receipt of {message_id.hex()}",
        )


def _witnessed(wall: Wall) -> None:
    """Each ledger is cosigned by the other side, up to the last message at least."""
    for owner, witness in ((wall.nl, wall.gh), (wall.gh, wall.nl)):
        last = _last_shared(owner)
        with witness.store.read() as transaction:
            row = transaction.witness.head(ledger_origin(owner.agency, 1))
            assert row is not None
            assert row.size > last
        with owner.store.read() as transaction:
            assert transaction.peers.link(witness.agency).witnessed_size > last


def _last_shared(office: Office) -> int:
    with office.store.read() as transaction:
        head = transaction.ledger.require_head()
        kinds = [row.kind for row in transaction.ledger.entries(0, head.size)]
    return max(at for at, kind in enumerate(kinds) if kind == "SHARED")


def test_one_that_only_dials_and_one_that_only_listens_through_constant_cuts(
    tmp_path: Path,
) -> None:
    """With all connections cut every two seconds, every message arrives once, both ways."""
    with _wall(tmp_path) as wall:
        wall.proxy.settings.cut_every_s = _CUT_EVERY_S
        with wall.traffic() as shared:
            wait_until(lambda: wall.proxy.cuts >= _CUTS, "the proxy cuts")
        _wait_for(shared)
        assert len(shared) > 2 * _CUTS
        _witnessed(wall)


def _cut(proxy: Proxy) -> None:
    proxy.cut()


def _cut_in_midstream(proxy: Proxy) -> None:
    # In the middle of a message, wherever that is: handshakes take some 6 KiB.
    proxy.forward.cut_after = 40_000
    proxy.backward.cut_after = 25_000


def _close_in_order(proxy: Proxy) -> None:
    proxy.settings.orderly = True
    proxy.settings.cut_every_s = 0.5


def _delay(proxy: Proxy) -> None:
    proxy.forward.delay_s = 0.05
    proxy.backward.jitter_s = 0.2


def _throttle(proxy: Proxy) -> None:
    proxy.forward.bytes_per_s = 60_000
    proxy.backward.bytes_per_s = 60_000


def _reorder(proxy: Proxy) -> None:
    proxy.settings.reorder = True
    proxy.settings.reorder_s = 0.3
    proxy.settings.cut_every_s = 0.7


def _swallow_requests(proxy: Proxy) -> None:
    proxy.forward.black_hole = True


def _swallow_answers(proxy: Proxy) -> None:
    proxy.backward.black_hole = True


def _refuse(proxy: Proxy) -> None:
    proxy.settings.refusing = True
    proxy.cut()


@pytest.mark.engine("sqlite")
@pytest.mark.parametrize(
    "fault",
    [
        _cut,
        _cut_in_midstream,
        _close_in_order,
        _delay,
        _throttle,
        _reorder,
        _swallow_requests,
        _swallow_answers,
        _refuse,
    ],
)
def test_a_fault_of_the_network_costs_a_resend_and_nothing_else(
    tmp_path: Path, fault: Callable[[Proxy], None]
) -> None:
    """Messages that were shared before, during and after a fault are all acknowledged once."""
    with _wall(tmp_path) as wall:
        shared = wall.share()
        with wall.traffic() as during:
            wait_until(lambda: len(during) > 4, "alerts are shared")
            fault(wall.proxy)
            so_far = len(during)
            wait_until(lambda: len(during) > so_far + 10, "alerts are shared during the fault")
        wall.proxy.heal()
        shared += [*during, *wall.share()]
        _wait_for(shared)
        _witnessed(wall)


@pytest.mark.engine("sqlite")
def test_a_partner_behind_a_black_hole_is_noticed_and_found_again(tmp_path: Path) -> None:
    """A link that swallows everything and tells nobody is given up in time, and dialled anew."""
    with _wall(tmp_path) as wall:
        _wait_for(wall.share())
        before = wall.proxy.accepted
        wall.proxy.forward.black_hole = wall.proxy.backward.black_hole = True
        shared = wall.share()
        wait_until(lambda: wall.proxy.accepted > before + 1, "the node dials again")
        wall.proxy.heal()
        _wait_for([*shared, *wall.share()])
        _witnessed(wall)
