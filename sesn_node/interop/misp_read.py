"""A MISP event as a draft."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sesn_node.domain.alert import (
    Alert,
    CallKind,
    Consignment,
    Container,
    Goods,
    Party,
    PartyRole,
    PortCall,
    Regime,
    RequestedAction,
    Urgency,
    Vessel,
)
from sesn_node.domain.markings import HandlingCode, Markings, Tlp
from sesn_node.domain.payload import Payload
from sesn_node.errors import MalformedError
from sesn_node.interop import misp_templates as templates
from sesn_node.interop.documents import Node, choice, read_document, shown
from sesn_node.interop.drafts import alert_of, built
from sesn_node.interop.marks import evaluation, known_label, strictest, with_grant
from sesn_node.interop.misp_objects import Thing, things
from sesn_node.interop.misp_write import STAGES, relationship
from sesn_node.interop.notes import Draft, Notes
from sesn_node.interop.stix_write import labels
