"""One history: agencies, their processes and disks, the network, the clocks, and chance."""

from __future__ import annotations

import contextvars
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from sesn_node.domain.batches import Shipment
from tests.simulation.faults import Fault as FaultKind
from tests.simulation.faults import Faults
from tests.simulation.homes import CIRCLE_WEIGHTS, CIRCLES, ENDPOINTS, GH, NL
from tests.simulation.loop import Loop
from tests.simulation.network import Network
from tests.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sesn_node.config import Config
    from sesn_node.domain.batches import Batch
    from sesn_node.domain.ids import AgencyId, MessageId
    from tests.simulation.disk import Disk
    from tests.simulation.homes import Template, Templates
    from tests.simulation.strands import Strand

MOST_STEPS = 60_000
"""Steps of one history; a usual one takes a few thousand."""

_RESTARTS_S = (0.05, 0.5, 2.0, 10.0)


class Broken(AssertionError):
    """Something happened that no crash, cut or clock excuses."""


class World:
    """All that takes part in a history, made from its seed.

    Args:
        seed: What everything is drawn from.
        templates: Homes to begin with.
        disks: To be overwritten.
        tracing: Whether to keep a line for every event.
    """

    def __init__(
        self,
        seed: int,
        templates: Templates,
        disks: Mapping[AgencyId, Disk],
        *,
        tracing: bool = False,
    ) -> None:
        self.seed = seed
        self.tracing = tracing
        self.events: list[str] = []
        chance = self.chance = Random(seed)
        self.context = contextvars.copy_context()
        disorder = chance.random() < 0.2
        # Of an event loop's methods it has those that are called here.
        self.loop = Loop(chance, most_steps=MOST_STEPS, disorder=disorder)  # type: ignore[abstract]  # see above
        self.faults = Faults(chance)
        self.faults.draw_rates()
        self.network = Network(self.loop, self.trace)
        self.agencies = chance.choices(CIRCLES, CIRCLE_WEIGHTS)[0]
        self.templates: Mapping[AgencyId, Template] = templates.circle(self.agencies)
        self.start_ms = templates.start_ms
        self.jumped_ms = 0
        self.skews = dict.fromkeys(self.agencies, 0)
        self.overtaking = chance.choice((0.0, 0.1, 0.5))
        self.disks = {agency: disks[agency] for agency in self.agencies}
        for agency, template in self.templates.items():
            self.disks[agency].renew(template.database, template.files)
        self.processes: list[Process] = []
        self.everybody: list[Process] = []
        self.keep_down: set[AgencyId] = set()
        self.old: set[AgencyId] = set()
        self.configs = {agency: self._config(agency) for agency in self.agencies}
        self.shared_home = GH if GH in self.agencies and chance.random() < 0.25 else None
        if NL in self.agencies and GH in self.agencies and chance.random() < 0.25:
            # A firewall on one side: what it cannot push, the other collects.
            self.network.blocked.add(chance.choice(((NL, GH), (GH, NL))))
        self.problems: list[BaseException] = []
        # What users were told, and what they did that explains how messages end.
        self.promised: dict[AgencyId, set[MessageId]] = {agency: set() for agency in self.agencies}
        self.erased: dict[AgencyId, set[tuple[str, MessageId]]] = {
            agency: set() for agency in self.agencies
        }
        self.excuses: set[str] = set()
        self.operators: list[Strand] = []
        """What operators have begun."""
        self.unfinished: list[Callable[[], None]] = []
        """What must be brought to its end when the faults end."""
        self._under_way: dict[bytes, Process] = {}
        self.number = 0
        self.glance: Callable[[World], None] = lambda _: None
        self.healed = False

    def _config(self, agency: AgencyId) -> Config:
        chance = self.chance
        config = self.templates[agency].config
        return replace(
            config,
            limits=replace(config.limits, disk_floor_mib=0),
            delivery=replace(
                config.delivery,
                poll_ms=chance.choice((12_000, 30_000, 60_000)),
                backoff_cap_ms=chance.choice((5_000, 20_000)),
            ),
        )

    # Processes.

    def start(self, agency: AgencyId) -> None:
        """Start what serves an agency, as far as it is not running."""
        endpoints = ENDPOINTS[agency]
        wanted = endpoints[:2] if agency == self.shared_home else endpoints[:1]
        running = {
            one.config.node.listen
            for one in self.processes
            if one.agency == agency and one.alive and one.serves
        }
        for endpoint in wanted or ("",):
            if endpoint not in running:
                self._start(agency, endpoint)

    def _start(self, agency: AgencyId, endpoint: str) -> None:
        config = self.configs[agency]
        config = replace(config, node=replace(config.node, listen=endpoint))
        process = self.process(agency, config, "")
        process.serves = True
        process.serve()

    def process(self, agency: AgencyId, config: Config, kind: str) -> Process:
        """Make a process; it does nothing yet."""
        self.number += 1
        name = f"{agency.partition('.')[0]}{kind}#{self.number}"
        process = Process(self, agency, name, config)
        self.processes.append(process)
        self.everybody.append(process)
        return process

    def ended(self, process: Process) -> None:
        """A process is gone; whoever watches over nodes starts another one."""
        if process not in self.processes:
            return
        self.processes.remove(process)
        self.trace(process.name, "has ended")
        if process.serves and process.agency not in self.keep_down:
            delay = self.chance.choice(_RESTARTS_S)
            self.loop.call_later(delay, self.start, process.agency, context=self.context)

    def serving(self, agency: AgencyId) -> list[Process]:
        """Return an agency's processes that serve."""
        return [
            one
            for one in self.processes
            if one.agency == agency and one.alive and one.opened and one.serving
        ]

    @contextmanager
    def under_way(self, process: Process, batch: Batch) -> Iterator[None]:
        """Watch that no copy of a message is on its way twice at once: leases see to that."""
        copies = [one.envelope.wrapped_key for one in batch.shipments if isinstance(one, Shipment)]
        for copy in copies:
            other = self._under_way.get(copy)
            leased = not self.faults.rates[FaultKind.LEASE_LOST]
            if other is not None and other.alive and leased:
                self.fault(f"a message is on its way twice at once, from {other} and {process}")
            self._under_way[copy] = process
        try:
            yield
        finally:
            for copy in copies:
                if self._under_way.get(copy) is process:
                    del self._under_way[copy]

    # Time, and what is told of it.

    def now_ms(self) -> int:
        """The true time, Unix milliseconds."""
        return self.start_ms + self.jumped_ms + int(self.loop.time() * 1000)

    def trace(self, who: str, what: str) -> None:
        """Note an event."""
        if self.tracing:
            self.events.append(f"{self.loop.time():9.3f}  {who:<12}  {what}")

    def fault(self, words: str, error: BaseException | None = None) -> None:
        """Note that a node did what it must never do; the history fails."""
        found = Broken(words)
        found.__cause__ = error
        self.problems.append(found)

    def look(self) -> None:
        """Check what must hold at any moment; called when a process dies, as nobody knows later."""
        try:
            self.glance(self)
        except AssertionError as error:
            self.problems.append(error)

    def others(self, agency: AgencyId) -> list[AgencyId]:
        """Return an agency's partners."""
        return [one for one in self.agencies if one != agency]
