"""Settings about copies of the database that this program does not manage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sesn_node.settings import Section, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups(Section):
    """What partners are told about backups when content of theirs is erased."""

    keep_days: Annotated[
        int,
        Setting(
            "Days after which the last backup or snapshot that was made on some day is gone. A "
            "partner that recalls a message is told when the last one that may hold it goes. 0: "
            "there are none.",
            low=0,
            high=36_600,
        ),
    ] = 30
