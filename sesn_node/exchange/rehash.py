"""Rehash: build the ledger's tree again from its entries, and hold everything stored against it.

One pass over the entries, a thousand at a time, in O(log n) memory besides.
"""

from __future__ import annotations

from collections import Counter
from itertools import batched, chain
from typing import TYPE_CHECKING

from sesn_node.domain.entries import EntryKind
from sesn_node.exchange.tally import Tally, require
from sesn_node.ledger.checkpoint import TreeHead, verify_checkpoint
from sesn_node.ledger.merkle import Appender, leaf_hash
from sesn_node.wire.entries import decode_entry
