"""What is told of a batch that came in: refusals in the answer, lines in the log, arrivals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sesn_node.domain.batches import NOTHING_WITNESSED, Answer, Batch, Refused, WitnessAnswer
from sesn_node.domain.ids import show_message_id
from sesn_node.domain.refusals import RefusalCode
from sesn_node.exchange.examine import Fresh, Seen
from sesn_node.exchange.witness import UNKNOWN_ORIGIN, report_refused
from sesn_node.telemetry.logs import get_logger
from sesn_node.telemetry.watch import Arrival

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sesn_node.domain.ids import AgencyId
    from sesn_node.exchange.examine import Examined
    from sesn_node.exchange.witness import Judged

_log = get_logger(__name__)


def report(
    caller: AgencyId, examined: Sequence[Examined], outcomes: Sequence[int | Refused]
) -> None:
    """Log what became of each message, under the id that its sender's node logs too."""
    for one, outcome in zip(examined, outcomes, strict=True):
        message_id = None if isinstance(one, Refused) else show_message_id(one.message_id)
        if isinstance(outcome, Refused):
            _log.warning(
                "message-refused-here",
                peer=caller,
                message_id=message_id,
                code=outcome.code.value,
                detail=outcome.detail,
            )
        else:
            event = "message-received-again" if isinstance(one, Seen) else "message-received"
            _log.info(event, peer=caller, message_id=message_id, entry=outcome)
            if isinstance(one, Fresh) and one.watched:
                _log.warning("message-watched", peer=caller, message_id=message_id, entry=outcome)


def arrival(one: Examined, outcome: int | Refused) -> Arrival:
    """Say what became of a message, for metrics and traces."""
    message_id = None if isinstance(one, Refused) else one.message_id
    if isinstance(outcome, Refused):
        return Arrival(message_id, code=outcome.code.value)
    watched = isinstance(one, Fresh) and one.watched
    return Arrival(message_id, outcome, again=isinstance(one, Seen), watched=watched)


def unwitnessed(caller: AgencyId, batch: Batch, judged: Judged | None) -> Answer:
    """Refuse a batch whose checkpoint was not accepted; the status says what to do about it."""
    if judged is None:
        refused = unproven(UNKNOWN_ORIGIN, "no trusted ledger has this origin")
        return refuse_all(caller, batch, refused, UNKNOWN_ORIGIN)
    if judged.verdict.fork:
        refused = Refused(RefusalCode.LEDGER_FORK, "the ledger shows two histories")
    else:
        refused = unproven(judged.refusal, judged.verdict.reason)
    return refuse_all(caller, batch, refused, judged.refusal)


def unproven(answer: WitnessAnswer, reason: str) -> Refused:
    """Refuse for now: the sender has to prove its ledger otherwise."""
    detail = f"the checkpoint was not accepted (status {answer.status}): {reason}"
    return Refused(RefusalCode.NOT_IN_LEDGER, detail)


def refuse_all(
    caller: AgencyId,
    batch: Batch,
    refused: Refused,
    witness: WitnessAnswer = NOTHING_WITNESSED,
) -> Answer:
    """Refuse every shipment of a batch, and say so in the log."""
    report_refused(caller, refused.code.value, witness.status)
    return Answer(batch.sequence, witness, b"", (refused,) * len(batch.shipments))
