"""What `sesn doctor` finds with partners: by our database, and by greeting each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from sesn_node.domain.checks import printable
from sesn_node.domain.counting import many, word_for
from sesn_node.domain.times import DAY_MS, HOUR_MS, utc_second
from sesn_node.exchange.breaker import Circuit, circuit
from sesn_node.exchange.checkup import (
    NOW_MS,
    SOON_MS,
    Diagnosis,
    Grade,
    PartnerFacts,
    cosigned_size,
    steps,
)
from sesn_node.transport.probe import Failing, Probed
from sesn_node.trust.card import TrustedCard

_BACKLOG_MS: Final = DAY_MS
"""A message that waits longer may need a telephone call."""
_UNWITNESSED_MS: Final = 30 * DAY_MS
_CLOCK_NOISE_MS: Final = 500
_QUORUM: Final = 3
"""Of two clocks nobody knows which is wrong."""
_CLOCK_WARNING_MS: Final = 30_000
_COLLECTED_MS: Final = DAY_MS
"""A partner that dials us and has not done so for longer may be down."""


@dataclass(frozen=True, slots=True)
class Ourselves:
    """What partners are looked at from.

    Args:
        own: Our newest card.
        size: Entries of our ledger.
        skew_ms: How far ahead of ours a partner's clock may be, as the settings say.
        command: How a command for this home begins.
        now_ms: The time.
        serves: Whether a process of ours may hold connections now.
    """

    own: TrustedCard
    size: int
    skew_ms: int
    command: str
    now_ms: int
    serves: bool = True


def check_partners(
    us: Ourselves, partners: Sequence[PartnerFacts], probed: Mapping[str, Probed]
) -> list[Diagnosis]:
    """Look at every trusted partner; `probed` has those that were greeted, by id."""
    if not partners:
        text = "no partner is trusted, so nothing can be sent or received"
        remedy = f"Exchange cards, then '{us.command} peer add FILE'."
        return [Diagnosis("partner", Grade.WARNING, text, (remedy,))]
    found = []
    for one in partners:
        answered = probed.get(one.card.agency)
        found += _reached(us, one, answered)
        if answered is None or answered.echo is not None:
            found += _circuit(us, one)
        found += _stored(us, one)
    return found + _clocks(us, probed)


def _reached(us: Ourselves, facts: PartnerFacts, probed: Probed | None) -> list[Diagnosis]:
    """What greeting a partner came to."""
    agency = facts.card.agency
    if not facts.card.card.endpoints:
        return [_collects(us, facts)]
    if probed is None:
        return []
    if probed.echo is None:
        return [_not_reached(us, facts, probed)]
    echo = probed.echo
    version = f", version {echo.version}" if echo.version else ""
    text = f"answers at {echo.endpoint} in {echo.round_trip_ms} ms{version}"
    found = [Diagnosis("partner", Grade.OK, text, (), agency)]
    for failure in probed.failures:
        text = f"does not answer at {failure.endpoint}, which its card names first: "
        remedy = "Tell its operator; its other endpoint is used meanwhile."
        found.append(Diagnosis("partner", Grade.WARNING, text + failure.detail, (remedy,), agency))
    size = cosigned_size(us.own, echo.cosigned)
    if size is not None and size > us.size:
        text = (
            f"has cosigned {many(size, 'entry', 'entries')} of our ledger, and our database holds "
            f"{us.size:,}: it is an old copy, which lacks at least {size - us.size:,} of them"
        )
        what_next = steps(
            "Stop the node: what it appended now would be a second history.",
            "Find a newer copy of the database, one with as many entries or more; 'sesn backup "
            "--verify FILE' tells what a backup holds. Put it in the place of this one, as "
            "docs/operations.md says under 'Backups'.",
        )
        found.append(Diagnosis("old-copy", Grade.FAILED, text, what_next, agency))
    return found


def _collects(us: Ourselves, facts: PartnerFacts) -> Diagnosis:
    """A partner that nobody can dial."""
    agency = facts.card.agency
    if not us.own.card.endpoints:
        text = "neither its card nor ours names an address, so neither side can dial the other"
        remedy = (
            "One of the two has to listen: set node.listen and node.advertise in node.toml, run "
            f"'{us.command} card issue', and start the node again."
        )
        return Diagnosis("partner", Grade.FAILED, text, (remedy,), agency)
    began_ms, ended_ms = facts.link.connected_ms, facts.link.ended_ms
    late = False
    if began_ms is None:
        text, late = "has no address, and has not dialled us yet", True
    elif ended_ms is not None:
        text = f"has no address; collected from us until {utc_second(ended_ms)} UTC, not since"
        late = us.now_ms - ended_ms > _COLLECTED_MS
    elif us.serves and facts.is_open:
        text = f"has no address; collects from us now, since {utc_second(began_ms)} UTC"
    else:
        # Our node was killed, or the process that it dialled: it is for us to come back.
        text = f"has no address; it dialled us last at {utc_second(began_ms)} UTC"
    if not late:
        return Diagnosis("partner", Grade.OK, text, (), agency)
    remedy = f"Ask {_who(facts.card)} whether its node runs, and whether it trusts our card."
    return Diagnosis("partner", Grade.WARNING, text, (remedy,), agency)


_FAILING: Final = {
    Failing.UNREACHABLE: "cannot be reached",
    Failing.CLOSED: "closes the connection, as a node does that does not trust our card",
    Failing.ANSWER: "answers with an error",
    Failing.NOT_US: "does not let us in",
    Failing.NOT_THEM: "has not proven to be who its card says",
}


def _not_reached(us: Ourselves, facts: PartnerFacts, probed: Probed) -> Diagnosis:
    worst = max(probed.failures, key=lambda one: list(Failing).index(one.failing))
    details = "; ".join(f"{one.endpoint}: {one.detail}" for one in probed.failures)
    grade = Grade.WARNING if worst.failing is Failing.UNREACHABLE else Grade.FAILED
    text = f"{_FAILING[worst.failing]} ({details})"
    remedy = _remedy(us, facts, worst.failing, worst.endpoint)
    return Diagnosis("partner", grade, text, remedy, facts.card.agency)


def _remedy(us: Ourselves, facts: PartnerFacts, failing: Failing, endpoint: str) -> tuple[str, ...]:
    agency, who = facts.card.agency, _who(facts.card)
    host, _, port = endpoint.rpartition(":")
    if failing is Failing.UNREACHABLE:
        return steps(
            f"Try 'nc -vz {host.strip('[]')} {port}' from this machine. If that fails too, a "
            "firewall is between, or nobody listens there; if not, it is no node that does.",
            f"Ask {who} whether its node runs. What waits for it goes by itself when it is back.",
        )
    if failing is Failing.NOT_THEM:
        return steps(
            f"Ask {who}, on a telephone number that you knew before, whether it listens at "
            f"{endpoint} and has founded its node anew.",
            f"If it has: '{us.command} peer revoke {agency}', then 'peer add' with its new card, "
            "fingerprints compared as at first. If not, somebody else listens there.",
        )
    if failing in {Failing.CLOSED, Failing.NOT_US}:
        return steps(
            f"Ask {who} whether it trusts our card: 'sesn peer list' there. If not, send it ours "
            f"('{us.command} card export FILE'), and compare fingerprints."
        )
    return steps(
        f"Tell {who} what its node says. '{us.command} outbox list' shows what waits for it."
    )


def _who(card: TrustedCard) -> str:
    """Whom to ask, with the number that its card names."""
    contact = card.card.contact
    if contact.phone:
        return printable(
            f"{card.agency} ({contact.focal_point or card.card.name}, {contact.phone})"
        )
    return str(card.agency)


def _circuit(us: Ourselves, facts: PartnerFacts) -> list[Diagnosis]:
    """What deliveries to a partner met, if we did not meet the same just now."""
    agency, link = facts.card.agency, facts.link
    if circuit(link.failures) is Circuit.CLOSED:
        return []
    text = (
        f"{many(link.failures, 'attempt')} to deliver to it failed in a row, so one message at a "
        f"time is tried; the last one said: {link.error or 'nothing'}"
    )
    remedy = (
        f"Run '{us.command} outbox list --to {agency}': it says what waits and why, and when it is "
        "tried again."
    )
    return [Diagnosis("circuit", Grade.WARNING, text, (remedy,), agency)]


def _stored(us: Ourselves, facts: PartnerFacts) -> list[Diagnosis]:
    """What our database says of a partner; nothing if all is well."""
    found = []
    agency, link = facts.card.agency, facts.link
    left_ms = facts.card.card.expires_ms - us.now_ms
    if left_ms < SOON_MS:
        grade = Grade.FAILED if left_ms < NOW_MS else Grade.WARNING
        ends = f"{utc_second(facts.card.card.expires_ms)} UTC"
        text = f"its card ends at {ends}; then nothing is sent to it or taken from it"
        remedy = f"Ask {_who(facts.card)} to run 'sesn card issue'; its node shows us the new card."
        found.append(Diagnosis("card", grade, text, (remedy,), agency))
    if facts.oldest_ms is not None and us.now_ms - facts.oldest_ms > _BACKLOG_MS:
        hours = (us.now_ms - facts.oldest_ms) // HOUR_MS
        wait = word_for(facts.queued, "waits", "wait")
        text = (
            f"{many(facts.queued, 'message')} {wait} for it, the oldest for {many(hours, 'hour')}"
        )
        remedy = (
            f"Run '{us.command} outbox list --to {agency}': it says why. What is urgent, tell "
            f"{_who(facts.card)} by telephone."
        )
        found.append(Diagnosis("backlog", Grade.WARNING, text, (remedy,), agency))
    if facts.ended:
        counts = ", ".join(f"{count:,} {state}" for state, count in facts.ended)
        text = f"messages to it ended without a receipt in the last 30 days: {counts}"
        remedy = (
            f"Run '{us.command} outbox list --to {agency}' to see why, and '{us.command} outbox "
            "requeue ID' to try one again; what has expired is to be shared anew."
        )
        found.append(Diagnosis("ended", Grade.WARNING, text, (remedy,), agency))
    if facts.unwitnessed_ms is not None and us.now_ms - facts.unwitnessed_ms > _UNWITNESSED_MS:
        days = (us.now_ms - facts.unwitnessed_ms) // DAY_MS
        text = (
            f"has cosigned {link.witnessed_size:,} of our {many(us.size, 'entry', 'entries')}; the "
            f"first that it has not is {many(days, 'day')} old, so it would not notice if that "
            "were rewritten"
        )
        remedy = (
            "Exchange a message with it, either way: it cosigns our newest checkpoint with each."
        )
        found.append(Diagnosis("witness", Grade.WARNING, text, (remedy,), agency))
    return found


def _clocks(us: Ourselves, probed: Mapping[str, Probed]) -> list[Diagnosis]:
    """Hold our clock against those of the partners that answered, and theirs against each other."""
    offsets = {
        agency: one.echo.offset_ms
        for agency, one in probed.items()
        if one.echo is not None and one.echo.offset_ms is not None
    }
    if not offsets:
        return []
    # Most of them are right, if most of them agree.
    off_ms = round(median(offsets.values()))
    found = [_our_clock(us, off_ms, len(offsets))]
    if len(offsets) < _QUORUM:
        return found
    for agency, offset_ms in offsets.items():
        if abs(offset_ms - off_ms) > _CLOCK_WARNING_MS:
            text = f"its clock is {_seconds(offset_ms - off_ms)} the others'"
            remedy = "Tell its operator: from 10 minutes on, messages are refused."
            found.append(Diagnosis("clock", Grade.WARNING, text, (remedy,), agency))
    return found


def _our_clock(us: Ourselves, off_ms: int, count: int) -> Diagnosis:
    whose = f"those of {count:,} partners" if count > 1 else "that of the partner that answered"
    if abs(off_ms) <= _CLOCK_NOISE_MS:
        return Diagnosis("clock", Grade.OK, f"our clock agrees with {whose}")
    text = f"our clock is {_seconds(-off_ms)} {whose}"
    if abs(off_ms) <= _CLOCK_WARNING_MS:
        return Diagnosis("clock", Grade.OK, text)
    grade = Grade.FAILED if abs(off_ms) >= us.skew_ms else Grade.WARNING
    remedy = (
        "Let this machine follow a time server: 'timedatectl' says whether it does, and "
        "'timedatectl set-ntp true' makes it. If it does, tell the partner. From 10 minutes on, "
        "messages are refused."
    )
    return Diagnosis("clock", grade, text, (remedy,))


def _seconds(ahead_ms: int) -> str:
    return f"{abs(ahead_ms) / 1000:,.1f} s {'ahead of' if ahead_ms > 0 else 'behind'}"
