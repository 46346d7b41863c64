"""Settings of who may do what at this node, and what partners' messages must show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from sesn_node.domain.approval import Demand, check_word
from sesn_node.settings import Section, Setting


class Sign(StrEnum):
    """When commands that write want to know who is at the keyboard."""

    OPTIONAL = "optional"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class People(Section):
    """Who may do what here, and what partners' messages must show."""

    sign: Annotated[
        Sign,
        Setting("When commands that write need `--as OPERATOR`. Add operators first."),
    ] = Sign.OPTIONAL
    four_eyes: Annotated[
        tuple[str, ...],
        Setting(
            "What leaves only once a second operator approved it: TLP labels (RED), requested "
            "actions (HOLD) and kinds of messages (forward). Signing is then needed for these.",
            high=20,
            check=check_word,
        ),
    ] = ()
    demand: Annotated[
        Demand,
        Setting(
            "What partners' messages must show to be taken: nothing, who wrote them (author), or "
            "that a second person approved them (approval). Recalls and destruction receipts are "
            "exempt."
        ),
    ] = Demand.NOTHING
