"""Gossip with partners: ask each what it saw of others' ledgers, and the others for proof.

Over the connections that we dial, beside the deliveries: a call that fails is made again later, and
never ends a connection. What was asked when, and what waits for an owner's proof, is kept for the
process; after a restart it is asked again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from sesn_node.errors import (
    MalformedError,
    PeerUnavailable,
    PolicyError,
    SesnError,
    StorageError,
    VerificationError,
)
from sesn_node.exchange.gossip import (
    Outcome,
    Question,
    check_proof,
    compare,
    give_up,
    third_ledgers,
)
from sesn_node.ledger.note import MISSING_SIGNATURE
from sesn_node.telemetry.logs import get_logger
from sesn_node.wire._pb import exchange_pb2 as pb

if TYPE_CHECKING:
    from sesn_node.domain.ids import AgencyId, Origin
    from sesn_node.exchange.office import Office

_log = get_logger(__name__)

_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Statuses by which an owner says that it gives no proof, and not that it cannot just now."""


class Askable(Protocol):
    """A partner that calls can be made to; see `Connection`."""

    async def ask(self, method: str, request: bytes) -> bytes:
        """Make a call of one request and one answer, both serialised; return the answer.

        Raises:
            grpc.RpcError: The call failed.
            PeerUnavailable: The answer is too large.
        """


@dataclass(frozen=True, slots=True)
class GossipPace:
    """Times and bounds, times in seconds.

    Args:
        round_s: How often it is looked whether anything is due.
        again_s: How long one partner is not asked again about one ledger.
        spacing_s: Between two calls.
        proof_s: Before an owner that gave no proof is asked again.
        refusals: After so many refusals, or bad proofs, the alarm is raised.
        evasions: After so many other failures, while the connection stands, it is too.
        waiting: Questions that wait for one owner at most.
        remembered: Checkpoints that were proven, and are not asked about again.
    """

    round_s: float = 30.0
    again_s: float = 300.0
    spacing_s: float = 0.2
    proof_s: float = 60.0
    refusals: int = 3
    evasions: int = 30
    waiting: int = 16
    remembered: int = 4096


@dataclass(slots=True)
class _Asked:
    """A question that waits for its owner's proof."""

    question: Question
    refusals: int = 0
    evasions: int = 0
    due_s: float = 0.0
    alarmed: bool = False


class Gossip:
    """What this process compares with all its partners. Belongs to the event loop."""

    def __init__(self, office: Office, pace: GossipPace | None = None) -> None:
        self._office = office
        self._pace = pace or GossipPace()
        self._asked_s: dict[tuple[AgencyId, Origin], float] = {}
        self._questions: defaultdict[AgencyId, OrderedDict[tuple[str, int, bytes], _Asked]]
        self._questions = defaultdict(OrderedDict)
        self._proven: OrderedDict[tuple[str, int, bytes], None] = OrderedDict()
        self._woken: defaultdict[AgencyId, asyncio.Event] = defaultdict(asyncio.Event)

    async def run(self, agency: AgencyId, connection: Askable) -> None:
        """Compare and ask over a connection, until cancelled."""
        woken = self._woken[agency]
        while True:
            woken.clear()
            try:
                await self._compare_all(agency, connection)
                await self._ask_all(agency, connection)
            except SesnError as error:
                # Our own database: the next round tries again.
                _log.warning("gossip-failed", peer=agency, code=error.code)
            except Exception:  # noqa: BLE001 - a fault of ours must not end the comparing
                _log.exception("gossip-fault", peer=agency)
            try:
                async with asyncio.timeout(self._pace.round_s):
                    await woken.wait()
            except TimeoutError:
                continue

    async def _compare_all(self, agency: AgencyId, connection: Askable) -> None:
        """Ask a partner about all third ledgers that are due."""
        clock = asyncio.get_running_loop().time
        for origin in await asyncio.to_thread(third_ledgers, self._office, agency):
            last_s = self._asked_s.get((agency, origin))
            if last_s is not None and clock() - last_s < self._pace.again_s:
                continue
            self._asked_s[agency, origin] = clock()
            try:
                note = await _checkpoint(connection, origin)
            except (grpc.RpcError, PeerUnavailable, DecodeError):
                # In the next round again; a partner that answers nothing has no say in it.
                del self._asked_s[agency, origin]
                continue
            outcome, question = await asyncio.to_thread(compare, self._office, agency, origin, note)
            if question is not None:
                outcome = self._note(question)
            self._office.watch.compared(agency, outcome.value)
            await asyncio.sleep(self._pace.spacing_s)

    def _note(self, question: Question) -> Outcome:
        """Let a question wait for its owner, unless it is answered, or too many wait."""
        if question.key in self._proven:
            return Outcome.PROVEN
        waiting = self._questions[question.agency]
        if question.key not in waiting and len(waiting) < self._pace.waiting:
            waiting[question.key] = _Asked(question)
            self._woken[question.agency].set()
        return Outcome.ASK

    async def _ask_all(self, agency: AgencyId, connection: Askable) -> None:
        """Ask an owner for the proofs that are due."""
        clock = asyncio.get_running_loop().time
        for key, asked in list(self._questions[agency].items()):
            if clock() < asked.due_s:
                continue
            asked.due_s = clock() + self._pace.proof_s
            outcome = await self._ask(connection, asked)
            if outcome is not Outcome.ASK:
                self._office.watch.compared(asked.question.shown_by, outcome.value)
            if outcome in {Outcome.PROVEN, Outcome.FORK, Outcome.NOTHING}:
                del self._questions[agency][key]
            if outcome is Outcome.PROVEN:
                self._remember(key)
            await asyncio.sleep(self._pace.spacing_s)

    async def _ask(self, connection: Askable, asked: _Asked) -> Outcome:
        """Ask for one proof; after too many failures, raise the alarm, and go on asking."""
        question = asked.question
        try:
            body = await _proof(connection, question)
            return await asyncio.to_thread(check_proof, self._office, question, body)
        except StorageError:
            raise
        except PolicyError:
            return Outcome.NOTHING  # It is not trusted any more, so nobody is to blame.
        except (grpc.RpcError, SesnError, DecodeError) as error:
            refused = _is_refusal(error)
            asked.refusals += refused
            asked.evasions += not refused
            code = error.code if isinstance(error, SesnError) else _status(error)
        _log.info(
            "ledger-proof-missing",
            peer=question.agency,
            origin=question.shown.head.origin,
            size=question.shown.head.size,
            code=code,
        )
        if asked.refusals < self._pace.refusals and asked.evasions < self._pace.evasions:
            return Outcome.ASK
        if asked.alarmed:
            return Outcome.ASK
        await asyncio.to_thread(give_up, self._office, question)
        asked.alarmed = True
        return Outcome.UNPROVEN

    def _remember(self, key: tuple[str, int, bytes]) -> None:
        self._proven[key] = None
        while len(self._proven) > self._pace.remembered:
            self._proven.popitem(last=False)


async def _checkpoint(connection: Askable, origin: Origin) -> bytes:
    request = pb.GetCheckpointRequest(origin=origin).SerializeToString()
    answer = await connection.ask("GetCheckpoint", request)
    return pb.GetCheckpointResponse.FromString(answer).checkpoint


async def _proof(connection: Askable, question: Question) -> bytes:
    request = pb.ProveConsistencyRequest(
        origin=question.old.head.origin,
        old_size=question.old.head.size,
        new_size=question.new.head.size,
    )
    answer = await connection.ask("ProveConsistency", request.SerializeToString())
    return pb.ProveConsistencyResponse.FromString(answer).body


def _is_refusal(error: Exception) -> bool:
    """Tell an owner that will not prove its ledger, or cannot, from one that is busy or gone."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() in _REFUSALS
    if isinstance(error, VerificationError):
        # By other keys than its card names: that card may be on its way.
        return error.code != MISSING_SIGNATURE
    return isinstance(error, MalformedError | DecodeError)


def _status(error: Exception) -> str:
    return error.code().name if isinstance(error, grpc.aio.AioRpcError) else type(error).__name__
