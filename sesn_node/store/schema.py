"""The tables, in SQLAlchemy Core.

Times are Unix milliseconds. Hashes and ids are raw bytes. Tables named in `APPEND_ONLY` refuse
UPDATE and DELETE by trigger, so that not even a fault in this program rewrites the history.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

from sesn_node.domain.delivery import ENDED

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a table its fast row id only under the type name INTEGER.
_BIG = BigInteger().with_variant(Integer, "sqlite")
# Sorted by code point, as SQLite and Python do, whatever language PostgreSQL was set up for.
_TEXT = String().with_variant(String(collation="C"), "postgresql")


def _bytes(name: str, *, null: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=null)


def _int(name: str, *, null: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, _BIG, nullable=null, server_default=default)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, _TEXT, nullable=null)


def _sealed_columns() -> tuple[Column[bytes] | Column[int] | Column[str], ...]:
    """Columns of a sealed message, sent or received.

    `ciphertext` and `content_key` become NULL when the content is erased; header, seal and
    digests stay, so that every proof still verifies.
    """
    return (
        _text("kind"),
        _bytes("header"),
        _bytes("header_sha256"),
        _bytes("seal"),
        _bytes("ciphertext", null=True),
        _bytes("content_key", null=True),
        _bytes("conversation_id"),
        _bytes("in_reply_to", null=True),
        _int("priority"),
        _int("created_ms"),
        _int("expires_ms"),
        _int("entry_index"),
    )


ledger_entry = Table(
    "ledger_entry",
    metadata,
    # What rows call the index of an entry says in which of our ledgers, too: `numbers`.
    Column("entry_index", _BIG, primary_key=True, autoincrement=False),
    _text("kind"),
    _bytes("message_id", null=True),
    _bytes("entry"),
    Index("ix_ledger_entry_message_id", "message_id"),
    comment="Serialised LedgerEntry messages, verbatim.",
)

ledger_node = Table(
    "ledger_node",
    metadata,
    Column("position", _BIG, primary_key=True, autoincrement=False),
    _bytes("hash"),
    comment="Hash of every complete subtree, at its post-order position.",
)

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, CheckConstraint("id >= 1", name="counted"), primary_key=True),
    _text("origin"),
    _int("size"),
    _bytes("root"),
    _bytes("note"),
    _int("final_size", null=True),
    _bytes("final_root", null=True),
    comment="Our ledgers: the last row sequences the open one, moved by compare-and-swap.",
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("origin", _TEXT, primary_key=True),
    Column("size", _BIG, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, primary_key=True),
    _bytes("note"),
    comment="Checkpoints, ours and partners', that receipts or cosignatures refer to.",
)

cosignature = Table(
    "cosignature",
    metadata,
    Column("origin", _TEXT, primary_key=True),
    Column("size", _BIG, primary_key=True, autoincrement=False),
    Column("agency", _TEXT, primary_key=True),
    _int("time_s"),
    _bytes("lines"),
    comment="Who cosigned what: note signature lines of type 0x04 and 0x06.",
)

witness_head = Table(
    "witness_head",
    metadata,
    Column("origin", _TEXT, primary_key=True),
    _text("agency"),
    _int("size"),
    _bytes("root"),
    comment="The last checkpoint of each partner's ledger that we verified and cosigned.",
)

sent = Table(
    "sent",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),
    *_sealed_columns(),
    Index("ix_sent_created_ms", "created_ms"),
    Index("ix_sent_in_reply_to", "in_reply_to"),
    Index("ix_sent_conversation_id", "conversation_id"),
    comment="Messages that we sealed.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),
    Column("agency", _TEXT, primary_key=True),
    _bytes("wrapped_key", null=True),
    _text("state"),
    _int("priority"),
    _int("expires_ms"),
    _int("attempts", default="0"),
    _int("next_attempt_ms", default="0"),
    _text("code", null=True),
    _text("detail", null=True),
    _int("settled_ms", null=True),
    _bytes("receipt_entry", null=True),
    _int("receipt_index", null=True),
    _bytes("receipt_proof", null=True),
    _text("receipt_origin", null=True),
    _int("receipt_size", null=True),
    _int("shared_size", null=True),
    _bytes("resealed_as", null=True),
    ForeignKeyConstraint(["message_id"], ["sent.message_id"]),
    ForeignKeyConstraint(["resealed_as"], ["sent.message_id"]),
    CheckConstraint(
        "state in ('queued', 'acknowledged', 'refused', 'expired', 'dead')", name="state"
    ),
    comment="One row per recipient of each message that we sent, and its receipt.",
)
IS_QUEUED = text("state = 'queued'")
"""Of a copy: it is queued; in the words of its index, as `HAS_ENDED` is."""
# Only queued rows: the index stays as small as the backlog, whatever the history.
Index(
    "ix_outbox_queued",
    outbox.c.agency,
    outbox.c.priority.desc(),
    outbox.c.message_id,
    sqlite_where=IS_QUEUED,
    postgresql_where=IS_QUEUED,
)

HAS_ENDED = text("state in ('refused', 'expired', 'dead')")
"""Of a copy: it ended without a receipt.

A query in these words, without parameters, shows both databases that a partial index has it all.
"""
# Small as well, whatever the history: what ended without a receipt.
Index(
    "ix_outbox_ended_agency",
    outbox.c.agency,
    outbox.c.state,
    sqlite_where=outbox.c.state.in_(ENDED),
    postgresql_where=outbox.c.state.in_(ENDED),
)
# For people, who look for what went wrong; such rows are few and rarely change.
Index("ix_outbox_ended", outbox.c.settled_ms, sqlite_where=HAS_ENDED, postgresql_where=HAS_ENDED)
_RESEALED = text("resealed_as is not null")
Index(
    "ix_outbox_resealed_as",
    outbox.c.resealed_as,
    sqlite_where=_RESEALED,
    postgresql_where=_RESEALED,
)

inbox = Table(
    "inbox",
    metadata,
    Column("sender", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    *_sealed_columns(),
    _int("received_ms"),
    _bytes("shared_entry"),
    _int("shared_index"),
    _bytes("shared_proof"),
    _text("shared_origin"),
    _int("shared_size"),
    Index("ix_inbox_message_id", "message_id"),
    Index("ix_inbox_received_ms", "received_ms"),
    Index("ix_inbox_in_reply_to", "in_reply_to"),
    Index("ix_inbox_conversation_id", "conversation_id"),
    comment="Messages that we received, each with its sender's SHARED entry and proof.",
)

search_term = Table(
    "search_term",
    metadata,
    Column("term", LargeBinary, primary_key=True),
    Column("at_ms", _BIG, primary_key=True, autoincrement=False),
    Column("sender", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    # For erasing, which takes all terms of one message.
    Index("ix_search_term_message_id", "message_id"),
    comment="Keyed hashes of what messages name, such as a container, vessel or party.",
    # The key holds everything, in the order in which it is asked for.
    sqlite_with_rowid=False,
)

watch = Table(
    "watch",
    metadata,
    Column("term", LargeBinary, primary_key=True),
    Column("other", LargeBinary, primary_key=True),
    _bytes("content_key"),
    _bytes("ciphertext"),
    _int("added_ms"),
    comment="What officers watch for: a term, or two, and in words under the storage key.",
)

agency_group = Table(
    "agency_group",
    metadata,
    Column("name", _TEXT, primary_key=True),
    Column("agency", _TEXT, primary_key=True),
    comment="Named groups of recipients.",
)

secret = Table(
    "secret",
    metadata,
    Column("kind", _TEXT, primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    _int("stored_ms"),
    _bytes("ciphertext"),
    _bytes("content_key"),
    comment="Small things that only we keep, encrypted like messages: drafts.",
)

operator = Table(
    "operator",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    _text("operator"),
    _bytes("sealed"),
    _int("added_ms"),
    _int("removed_ms", null=True),
    _int("entry_index"),
    Index("ix_operator_operator", "operator"),
    comment="Our people: what we say of each, under our seal, and until when it was so.",
)

forwards = Table(
    "forwards",
    metadata,
    Column("original_sender", _TEXT, primary_key=True),
    Column("original_id", LargeBinary, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    comment="Messages of third agencies that we passed on, and which messages of ours carry them.",
)

erasure = Table(
    "erasure",
    metadata,
    Column("sender", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    _int("erased_ms"),
    _int("entry_index"),
    _text("reason"),
    _int("scrubbed_ms", null=True),
    comment="Messages whose content was erased: why, and since when its bytes are gone.",
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("sender", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    _text("reason"),
    _int("placed_ms"),
    _int("entry_index"),
    comment="Messages that must not be erased for now, and what forbids it.",
)

retention = Table(
    "retention",
    metadata,
    Column("sender", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    _int("until_ms"),
    Index("ix_retention_until_ms", "until_ms"),
    comment="Messages whose content is here, and has to go on a date.",
)

forwarded = Table(
    "forwarded",
    metadata,
    Column("sender", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    _text("original_sender"),
    _bytes("original_id"),
    Index("ix_forwarded_original_id", "original_id"),
    comment="Forwards that arrived, and the message of a third agency that each carries.",
)

withdrawn = Table(
    "withdrawn",
    metadata,
    Column("message_id", LargeBinary, primary_key=True),
    _int("withdrawn_ms"),
    comment="Messages of ours that we recalled; nobody sends them again.",
)

recall = Table(
    "recall",
    metadata,
    Column("sender", _TEXT, primary_key=True),
    Column("recall_id", LargeBinary, primary_key=True),
    _bytes("message_id"),
    _bytes("header_sha256"),
    _text("outcome", null=True),
    _int("outcome_ms", null=True),
    _bytes("answer_id", null=True),
    Index("ix_recall_message_id", "message_id"),
    CheckConstraint("outcome in ('DESTROYED', 'NEVER_KEPT', 'HELD')", name="outcome"),
    comment="Recalls that arrived: what each withdraws, what became of it, and who was told.",
)
TO_OBEY = text("answer_id is null or outcome = 'HELD'")
"""Of a recall: there is something to do about it; in the words of its index, as `HAS_ENDED` is."""
Index("ix_recall_to_obey", recall.c.sender, sqlite_where=TO_OBEY, postgresql_where=TO_OBEY)

refusal = Table(
    "refusal",
    metadata,
    Column("sender", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    Column("header_sha256", LargeBinary, primary_key=True),
    Column("code", _TEXT, primary_key=True),
    _int("refused_ms"),
    _int("entry_index"),
    comment="Messages that we refused, so that a resend adds nothing to the ledger.",
)

card = Table(
    "card",
    metadata,
    Column("agency", _TEXT, primary_key=True),
    Column("sha256", LargeBinary, primary_key=True),
    _int("sequence"),
    _bytes("sealed"),
    _int("taken_ms"),
    comment="Every card that we ever took, our own included.",
)

peer = Table(
    "peer",
    metadata,
    Column("agency", _TEXT, primary_key=True),
    _text("state"),
    _bytes("card_sha256"),
    _int("changed_ms"),
    CheckConstraint("state in ('trusted', 'quarantined', 'revoked')", name="state"),
    comment="Agencies whose card an operator pinned.",
)

directory = Table(
    "directory",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True),
    _int("version"),
    _bytes("own_card_sha256"),
    _bytes("storage_key_id"),
    comment="What our processes agree on: every change of trust or of our keys moves the version.",
)

link = Table(
    "link",
    metadata,
    Column("agency", _TEXT, primary_key=True),
    _int("failures", default="0"),
    _int("next_attempt_ms", default="0"),
    _text("error", null=True),
    _int("connected_ms", null=True),
    _int("witnessed_size", default="0"),
    _int("ended_ms", null=True),
    comment="How the link to each peer stands, and the size of our ledger that it cosigned.",
)

ledger_alarm = Table(
    "ledger_alarm",
    metadata,
    Column("origin", _TEXT, primary_key=True),
    Column("size", _BIG, primary_key=True, autoincrement=False),
    Column("kind", _TEXT, primary_key=True),
    _text("agency"),
    _text("shown_by"),
    _int("found_ms"),
    _int("held_size"),
    _bytes("held_note"),
    _bytes("shown_note"),
    _int("settled_ms", null=True),
    CheckConstraint("kind in ('closing', 'fork', 'replaced', 'unproven')", name="kind"),
    comment="Partners' ledgers that show two histories, or that were not proven to show one.",
)

recovered = Table(
    "recovered",
    metadata,
    Column("start_index", _BIG, primary_key=True, autoincrement=False),
    _int("end_index"),
    _int("recovered_ms"),
    comment="Entries that an export brought back, perhaps without the messages that they name.",
)

again = Table(
    "again",
    metadata,
    Column("agency", _TEXT, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    _int("next_attempt_ms"),
    comment="Acknowledged copies whose recipient has lost them, and asked for them again.",
)

to_ask = Table(
    "to_ask",
    metadata,
    Column("agency", _TEXT, primary_key=True),
    Column("origin", _TEXT, primary_key=True),
    _int("next_index"),
    comment="Partners that are still to be asked for what a closed ledger of ours has lost.",
)

case_step = Table(
    "case_step",
    metadata,
    Column("case_id", LargeBinary, primary_key=True),
    Column("step_id", LargeBinary, primary_key=True),
    _text("sender"),
    _bytes("message_id"),
    _bytes("header"),
    _bytes("seal"),
    _bytes("salt"),
    _bytes("mark"),
    _text("carrier", null=True),
    _bytes("carrier_id", null=True),
    _int("entry_index"),
    Index("ix_case_step_entry_index", "entry_index", "case_id"),
    Index("ix_case_step_message_id", "message_id"),
    comment="Steps of return-to-origin cases; of those that came in a case file, whose it was.",
)

case_notice = Table(
    "case_notice",
    metadata,
    Column("case_id", LargeBinary, primary_key=True),
    Column("founder", _TEXT, primary_key=True),
    Column("code", _TEXT, primary_key=True),
    Column("due_ms", _BIG, primary_key=True, autoincrement=False),
    Column("entry_index", _BIG, primary_key=True, autoincrement=False),
    comment="Due dates of cases that were near, or passed, and that the ledger says so of.",
)

case_told = Table(
    "case_told",
    metadata,
    Column("case_id", LargeBinary, primary_key=True),
    Column("founder", _TEXT, primary_key=True),
    Column("due_ms", _BIG, primary_key=True, autoincrement=False),
    _int("days"),
    _int("told_ms"),
    comment="What officers were reminded of last, of each due date of a case, and when.",
)

case_filed = Table(
    "case_filed",
    metadata,
    Column("agency", _TEXT, primary_key=True),
    Column("step_id", LargeBinary, primary_key=True),
    comment="Steps that we handed to a member that did not get them.",
)

pulse = Table(
    "pulse",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True),
    _int("beats"),
    comment="Written now and then by a node that serves, to see that it still can.",
)

timestamp_token = Table(
    "timestamp_token",
    metadata,
    Column("origin", _TEXT, primary_key=True),
    Column("size", _BIG, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, primary_key=True),
    Column("authority", _TEXT, primary_key=True),
    _int("time_ms"),
    _int("stored_ms"),
    _bytes("token"),
    comment="RFC 3161 tokens over our checkpoints, each verified when it came.",
)

timestamp_state = Table(
    "timestamp_state",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True),
    _int("asked_ms"),
    _int("next_ms"),
    _int("failures", default="0"),
    _int("failing_ms", null=True),
    _text("error", null=True),
    comment="How asking for time-stamps goes, and since when no authority has answered.",
)

APPEND_ONLY = (
    ledger_entry,
    ledger_node,
    checkpoint,
    cosignature,
    card,
    refusal,
    timestamp_token,
    case_step,
)
"""Tables whose rows are never changed and never deleted."""
