"""What operators, clocks and machines do during a history, at moments drawn from its seed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sesn_node.domain.alert import Alert, RequestedAction, Urgency
from sesn_node.domain.conversation import Decision
from sesn_node.domain.ids import AgencyId, MessageId
from sesn_node.domain.markings import Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import ConflictError, PolicyError, SesnError, StorageError, VerificationError
from sesn_node.exchange.erase import erase
from sesn_node.exchange.keycare import tend_keys
from sesn_node.exchange.peers import add_peer, revoke_peer
from sesn_node.exchange.recall import recall
from sesn_node.exchange.requeue import requeue
from sesn_node.exchange.respond import respond
from sesn_node.exchange.rotate import Rotatable, reissue, rotate
from sesn_node.exchange.share import Draft, share
from tests.simulation import checks
from tests.simulation.oldcopy import old_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from sesn_node.exchange.office import Office
    from tests.simulation.process import Process
    from tests.simulation.strands import Strand
    from tests.simulation.world import World

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_IN_NODE = 0.7
"""Chance that an operator acts through the serving process, as a console does."""

_LIFETIMES_MS = (None, None, None, 20 * SECOND_MS, 2 * MINUTE_MS, DAY_MS)
_SKEWS_MS = (SECOND_MS, 5 * MINUTE_MS, 11 * MINUTE_MS, 5 * HOUR_MS, 3 * DAY_MS)


def plan(world: World, seconds: float) -> None:
    """Lay down what happens in the first seconds of a history."""
    chance = world.chance
    shares = chance.randint(1, 4)
    deeds: list[Callable[[World, AgencyId], None]] = [share_alert] * shares
    others: tuple[tuple[Callable[[World, AgencyId], None], int], ...] = (
        (answer_alert, 2),
        (change_trust, 1),
        (jump_clock, 1),
        (kill, 2),
        (restart, 1),
        (cut, 2),
        (sleep_for_days, 1),
        (old_database, 1),
        (issue_card, 1),
        (rotate_keys, 1),
        (requeue_ended, 1),
        (recall_sent, 1),
        (erase_content, 3),
    )
    for deed, most in others:
        weight = 0.25 if deed in {change_trust, sleep_for_days, old_database} else 0.5
        deeds += [deed] * sum(chance.random() < weight for _ in range(most))
    for deed in deeds:
        when = chance.random() * seconds
        agency = chance.choice(world.agencies)
        world.loop.call_at(when, deed, world, agency, context=world.context)


def command(world: World, agency: AgencyId, what: str, body: Callable[[Process], None]) -> None:
    """Run a use case in the node's own process, or in one of its own, as a command does."""
    serving = world.serving(agency)
    start: Callable[[Callable[[], None]], Strand]
    world.faults.happened("operator", what)
    if serving and world.chance.random() < _IN_NODE:
        process = world.chance.choice(serving)
        serving = [process]
        start = partial(world.loop.spawn, process, what)
    else:
        process = world.process(agency, world.configs[agency], "-command")
        start = partial(process.run, what)

    def run() -> None:
        _guarded(process, what, body)
        for node in serving:
            _wake(node)

    world.trace(process.name, f"operator: {what}")
    world.operators.append(start(run))


def _guarded(process: Process, what: str, body: Callable[[Process], None]) -> None:
    """Run a use case; what an operator would be told is no fault."""
    try:
        body(process)
    except (PolicyError, ConflictError, StorageError) as error:
        process.world.trace(process.name, f"{what}: {error.code}: {error}")
    except SesnError as error:
        process.world.fault(f"{process.name}: {what}: {error!r}", error)


def _wake(node: Process) -> None:
    """Write to the named pipe; a node that is not there is not woken."""
    if node.alive and node.node is not None:
        node.world.loop.call_soon(node.node.wake, context=node.context)


def share_alert(world: World, agency: AgencyId) -> None:
    """An officer shares an alert with some or all partners."""
    chance = world.chance
    others = world.others(agency)
    to = tuple(chance.sample(others, chance.randint(1, len(others))))
    lifetime = chance.choice(_LIFETIMES_MS)
    urgency = chance.choice(list(Urgency))

    def body(process: Process) -> None:
        expires = None if lifetime is None else process.now_ms() + lifetime
        message_id = share(process.office, Draft(written(urgency), to, expires_ms=expires))
        world.promised[agency].add(message_id)
        world.trace(process.name, f"shared {message_id.hex()[-6:]} with {', '.join(to)}")

    command(world, agency, "share", body)


def written(urgency: Urgency) -> Payload:
    """Write a short alert."""
    body = Alert(
        subject="Two containers of untested television sets",
        urgency=urgency,
        requested_action=RequestedAction.INSPECT,
        respond_by=None,
        narrative="Loaded before the profile fired.",
        consignment=None,
    )
    return Payload(Markings(Tlp.AMBER), body)


def answer_alert(world: World, agency: AgencyId) -> None:
    """An officer decides on an alert that has arrived, if one has."""
    decision = world.chance.choice(list(Decision))
    pick = world.chance.random()

    def body(process: Process) -> None:
        arrived = _alerts(process.office)
        if arrived:
            chosen = arrived[int(pick * len(arrived))]
            answered = respond(process.office, chosen, decision, "Seen.")
            world.promised[agency].add(answered.message_id)

    command(world, agency, "respond", body)


def _alerts(office: Office) -> list[MessageId]:
    with office.store.read() as transaction:
        connection = transaction._connection  # noqa: SLF001 - a list in arrival order
        rows = connection.exec_driver_sql(
            "SELECT message_id FROM inbox WHERE kind = 'alert' ORDER BY entry_index"
        )
        return [row[0] for row in rows]


def change_trust(world: World, agency: AgencyId) -> None:
    """An operator revokes a partner, and trusts it again some time later."""
    other = world.chance.choice(world.others(agency))
    world.excuses.add("revoked")
    command(world, agency, "revoke", lambda process: _revoke(process, other))
    delay = world.chance.choice((0.1, 5.0, 30.0))
    world.loop.call_later(delay, trust, world, agency, other, context=world.context)


def _revoke(process: Process, other: AgencyId) -> None:
    revoke_peer(process.office, other)


def trust(world: World, agency: AgencyId, other: AgencyId) -> None:
    """An operator pins the newest card that a partner has issued."""

    def body(process: Process) -> None:
        newest = checks.newest_card(world, other)
        # An operator compares the clocks, and tries again when they agree.
        while newest.card.issued_ms <= process.now_ms():
            try:
                add_peer(process.office, newest.sealed, fingerprint=newest.fingerprint)
            except VerificationError as error:
                if error.code != "CARD_STALE":
                    raise
                # A later one has come in by itself meanwhile; one that its agency has lost since,
                # with a database that was put back, nobody can bring.
                known, newest = newest, checks.newest_card(world, other)
                if newest.sha256 == known.sha256:
                    return
            else:
                return

    command(world, agency, "trust", body)


def issue_card(world: World, agency: AgencyId) -> None:
    """The agency issues its next card, which may promise less than the one before."""
    limit = world.chance.choice((0, 1, 2, 64))
    world.trace(agency, f"limit of its next card: {limit or 'as before'}")
    if limit:
        config = world.configs[agency]
        limits = replace(config.limits, batch_envelopes=limit)
        world.configs[agency] = replace(config, limits=limits)
        # The settings hold from the next start, the card at once.
        world.loop.call_later(3.0, restart, world, agency, context=world.context)
    reissue_card(world, agency)


def reissue_card(world: World, agency: AgencyId) -> None:
    """The agency issues a card that says what its settings say."""

    def body(process: Process) -> None:
        own = process.office.directory().own.card
        limits = world.configs[agency].limits.on_card()
        described = replace(own, name=f"{own.name}.", limits=limits)
        reissue(process.office, described=described, root=root)

    root = world.templates[agency].root
    command(world, agency, "issue card", body)


def rotate_keys(world: World, agency: AgencyId) -> None:
    """The agency brings new keys into use."""
    kinds = list(Rotatable)
    what = world.chance.sample(kinds, world.chance.randint(1, 3))

    def body(process: Process) -> None:
        own = process.office.directory().own.card
        rotate(process.office, what, described=own, root=root)
        tend_keys(process.office)

    root = world.templates[agency].root
    for one in what:
        world.faults.happened("rotated", one.value)
    command(world, agency, "rotate", body)


def requeue_ended(world: World, agency: AgencyId) -> None:
    """An operator has a message tried again that ended without a receipt, if there is one."""

    def body(process: Process) -> None:
        for message_id in checks.ended(world, agency)[:1]:
            for done in requeue(process.office, message_id):
                if done.resealed_as is not None:
                    world.promised[agency].add(done.resealed_as)

    command(world, agency, "requeue", body)


def erase_content(world: World, agency: AgencyId) -> None:
    """An operator has what a message says erased, sent or received, if there is one."""
    pick = world.chance.random()
    world.excuses.add("erased")

    def body(process: Process) -> None:
        known = _messages(process.office)
        if not known:
            return
        sender, message_id = known[int(pick * len(known))]
        done = erase(process.office, message_id, "asked for by its author", sender=sender)
        for row in done.messages:
            ours = row.sender == agency
            world.faults.happened("erased", "sent" if ours else "received")
            world.erased[agency].add((row.sender, MessageId(row.message_id)))

    command(world, agency, "erase", body)


def recall_sent(world: World, agency: AgencyId) -> None:
    """An officer recalls a message of ours, if there is one that can be."""
    pick, keeps = world.chance.random(), world.chance.random() < 0.5
    world.excuses.add("recalled")

    def body(process: Process) -> None:
        sent = [one for sender, one in _messages(process.office) if sender == agency]
        if not sent:
            return
        chosen = sent[int(pick * len(sent))]
        done = recall(process.office, chosen, "Wrong consignment", erase_own=not keeps)
        for one in done.told:
            world.faults.happened("recalled", "sent")
            world.promised[agency].add(one.recall_id)

    command(world, agency, "recall", body)


def _messages(office: Office) -> list[tuple[AgencyId, MessageId]]:
    with office.store.read() as transaction:
        connection = transaction._connection  # noqa: SLF001 - a list in the order of the ledger
        rows = connection.exec_driver_sql(
            "SELECT sender, message_id, entry_index FROM inbox UNION ALL"
            " SELECT '', message_id, entry_index FROM sent ORDER BY entry_index"
        )
        return [(AgencyId(row[0] or office.agency), MessageId(row[1])) for row in rows]


def jump_clock(world: World, agency: AgencyId) -> None:
    """A machine's clock is set wrong, forward or backward, and right again later."""
    chance = world.chance
    jump = chance.choice(_SKEWS_MS)
    if chance.random() < 0.5:
        jump = -jump
    world.excuses.add("clock")
    world.faults.happened("clock forward" if jump > 0 else "clock backward", "machine")
    world.trace(agency, f"clock jumps by {jump / 1000:.0f} s")
    world.skews[agency] = jump
    # It does not go back to before what it has lived through: that is another jump.
    delay = chance.choice((1.0, 20.0, 300.0))
    world.loop.call_later(delay, _right_clock, world, agency, context=world.context)


def _right_clock(world: World, agency: AgencyId) -> None:
    world.trace(agency, "clock is right again")
    world.skews[agency] = 0


def kill(world: World, agency: AgencyId) -> None:
    """A process is killed at whatever it does."""
    for process in world.serving(agency)[:1]:
        world.faults.happened("killed", "machine")
        process.crash("killed")


def restart(world: World, agency: AgencyId) -> None:
    """A process is stopped in order, and started again."""
    for process in world.serving(agency)[:1]:
        world.faults.happened("restarted", "machine")
        process.stop()


def cut(world: World, _: AgencyId) -> None:
    """Cables are pulled."""
    world.faults.happened("cut", "idle")
    world.network.cut_some(lambda: world.chance.random() < 0.6)


def sleep_for_days(world: World, agency: AgencyId) -> None:
    """A node is down for days, so that messages expire."""
    days = world.chance.choice((1, 4, 31))
    world.faults.happened("down for days", "machine")
    world.excuses.add("clock")
    world.keep_down.add(agency)
    for process in [one for one in world.processes if one.agency == agency]:
        process.crash(f"down for {days} days")

    def wake() -> None:
        if agency not in world.keep_down:
            return
        world.jumped_ms += days * DAY_MS
        world.keep_down.discard(agency)
        world.trace("world", f"{days} days later")
        world.start(agency)

    world.loop.call_later(world.chance.choice((1.0, 20.0)), wake, context=world.context)
