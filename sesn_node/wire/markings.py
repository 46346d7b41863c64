"""Rules of handling: domain objects to `Markings` of payload.proto, and back."""

from __future__ import annotations

from sesn_node.domain.markings import (
    MAX_ONWARD,
    Evaluation,
    EvaluationScheme,
    HandlingCode,
    Markings,
    Tlp,
)
from sesn_node.wire._pb import payload_pb2 as pb
from sesn_node.wire.parts import convert_part, convert_parts
from sesn_node.wire.values import enum_from_pb, time_from_pb, time_to_pb

_TLP_TO_PB = {
    Tlp.RED: pb.TLP_RED,
    Tlp.AMBER_STRICT: pb.TLP_AMBER_STRICT,
    Tlp.AMBER: pb.TLP_AMBER,
    Tlp.GREEN: pb.TLP_GREEN,
    Tlp.CLEAR: pb.TLP_CLEAR,
}
_HANDLING_TO_PB = {HandlingCode.H1: pb.H1, HandlingCode.H2: pb.H2, HandlingCode.H3: pb.H3}
_SCHEME_TO_PB = {
    EvaluationScheme.EUROPOL_4X4: pb.EVALUATION_4X4,
    EvaluationScheme.BRITISH_3X5X2: pb.EVALUATION_3X5X2,
    EvaluationScheme.BRITISH_5X5X5: pb.EVALUATION_5X5X5,
}
_TLP: dict[int, Tlp] = {value: key for key, value in _TLP_TO_PB.items()}
_HANDLING: dict[int, HandlingCode] = {value: key for key, value in _HANDLING_TO_PB.items()}
_SCHEME: dict[int, EvaluationScheme] = {value: key for key, value in _SCHEME_TO_PB.items()}


def markings_to_pb(markings: Markings) -> pb.Markings:
    """Write rules of handling."""
    given = markings.evaluation
    return pb.Markings(
        tlp=_TLP_TO_PB[markings.tlp],
        handling=[_HANDLING_TO_PB[code] for code in markings.handling],
        handling_text=markings.handling_text,
        evaluation=pb.Evaluation(
            scheme=_SCHEME_TO_PB[given.scheme],
            source=given.source,
            information=given.information,
            handling=given.handling,
        )
        if given
        else None,
        purpose=markings.purpose,
        legal_basis=markings.legal_basis,
        retain_until=time_to_pb(markings.retain_until),
        onward=markings.onward,
    )


def markings_from_pb(message: pb.Markings) -> Markings:
    """Read rules of handling.

    Raises:
        MalformedError: A field out of its bounds; the message starts with its path.
    """
    return Markings(
        tlp=enum_from_pb("tlp", _TLP, message.tlp),
        handling=convert_parts("handling", _handling_from_pb, message.handling, len(_HANDLING)),
        handling_text=message.handling_text,
        evaluation=convert_part("evaluation", _evaluation_from_pb, message.evaluation)
        if message.HasField("evaluation")
        else None,
        purpose=message.purpose,
        legal_basis=message.legal_basis,
        retain_until=convert_part("retain_until", time_from_pb, message.retain_until)
        if message.HasField("retain_until")
        else None,
        onward=convert_parts("onward", str, message.onward, MAX_ONWARD),
    )


def _handling_from_pb(value: int) -> HandlingCode:
    return enum_from_pb("code", _HANDLING, value)


def _evaluation_from_pb(message: pb.Evaluation) -> Evaluation:
    return Evaluation(
        scheme=enum_from_pb("scheme", _SCHEME, message.scheme),
        source=message.source,
        information=message.information,
        handling=message.handling,
    )
