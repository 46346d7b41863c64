"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sesn_node.store import sql

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_APPEND_ONLY = (
    "ledger_entry",
    "ledger_node",
    "checkpoint",
    "cosignature",
    "card",
    "refusal",
    "timestamp_token",
    "case_step",
)


def upgrade() -> None:
    """Make the tables, and the triggers that keep the history as it is."""
    _create_tables()
    _create_timestamps()
    _create_lists()
    _create_cases()
    _create_keeping_tables()
    for trigger in sql.append_only(op.get_context().dialect.name, _APPEND_ONLY):
        op.execute(trigger)


def _create_tables() -> None:
    op.create_table(
        "card",
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", _BIG, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("taken_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("agency", "sha256", name="pk_card"),
        comment="Every card that we ever took, our own included.",
    )
    op.create_table(
        "checkpoint",
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("size", _BIG, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "size", "root", name="pk_checkpoint"),
        comment="Checkpoints, ours and partners', that receipts or cosignatures refer to.",
    )
    op.create_table(
        "cosignature",
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("size", _BIG, autoincrement=False, nullable=False),
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("time_s", _BIG, nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "size", "agency", name="pk_cosignature"),
        comment="Who cosigned what: note signature lines of type 0x04 and 0x06.",
    )
    op.create_table(
        "directory",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", _BIG, nullable=False),
        sa.Column("own_card_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("storage_key_id", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_directory_single")),
        sa.PrimaryKeyConstraint("id", name="pk_directory"),
        comment=(
            "What our processes agree on: every change of trust or of our keys moves the version."
        ),
    )
    op.create_table(
        "secret",
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("stored_ms", _BIG, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("content_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_secret"),
        comment="Small things that only we keep, encrypted like messages: drafts.",
    )
    op.create_table(
        "operator",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("operator", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_ms", _BIG, nullable=False),
        sa.Column("removed_ms", _BIG, nullable=True),
        sa.Column("entry_index", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_operator"),
        comment="Our people: what we say of each, under our seal, and until when it was so.",
    )
    op.create_index("ix_operator_operator", "operator", ["operator"], unique=False)
    op.create_table(
        "erasure",
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("erased_ms", _BIG, nullable=False),
        sa.Column("entry_index", _BIG, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("scrubbed_ms", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("sender", "message_id", name="pk_erasure"),
        comment="Messages whose content was erased: why, and since when its bytes are gone.",
    )
    op.create_table(
        "forwards",
        sa.Column("original_sender", _TEXT, nullable=False),
        sa.Column("original_id", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("original_sender", "original_id", "message_id", name="pk_forwards"),
        comment=(
            "Messages of third agencies that we passed on, and which messages of ours carry them."
        ),
    )
    op.create_table(
        "inbox",
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("header_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("content_key", sa.LargeBinary(), nullable=True),
        sa.Column("conversation_id", sa.LargeBinary(), nullable=False),
        sa.Column("in_reply_to", sa.LargeBinary(), nullable=True),
        sa.Column("priority", _BIG, nullable=False),
        sa.Column("created_ms", _BIG, nullable=False),
        sa.Column("expires_ms", _BIG, nullable=False),
        sa.Column("entry_index", _BIG, nullable=False),
        sa.Column("received_ms", _BIG, nullable=False),
        sa.Column("shared_entry", sa.LargeBinary(), nullable=False),
        sa.Column("shared_index", _BIG, nullable=False),
        sa.Column("shared_proof", sa.LargeBinary(), nullable=False),
        sa.Column("shared_origin", _TEXT, nullable=False),
        sa.Column("shared_size", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("sender", "message_id", name="pk_inbox"),
        comment="Messages that we received, each with its sender's SHARED entry and proof.",
    )
    op.create_index("ix_inbox_conversation_id", "inbox", ["conversation_id"], unique=False)
    op.create_index("ix_inbox_in_reply_to", "inbox", ["in_reply_to"], unique=False)
    op.create_index("ix_inbox_message_id", "inbox", ["message_id"], unique=False)
    op.create_index("ix_inbox_received_ms", "inbox", ["received_ms"], unique=False)
    op.create_table(
        "ledger_entry",
        sa.Column("entry_index", _BIG, autoincrement=False, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=True),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry_index", name="pk_ledger_entry"),
        comment="Serialised LedgerEntry messages, verbatim.",
    )
    op.create_index("ix_ledger_entry_message_id", "ledger_entry", ["message_id"], unique=False)
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("final_size", _BIG, nullable=True),
        sa.Column("final_root", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("id >= 1", name=op.f("ck_ledger_head_counted")),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_head"),
        comment="Our ledgers: the last row sequences the open one, moved by compare-and-swap.",
    )
    op.create_table(
        "ledger_node",
        sa.Column("position", _BIG, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_ledger_node"),
        comment="Hash of every complete subtree, at its post-order position.",
    )
    op.create_table(
        "link",
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("failures", _BIG, server_default="0", nullable=False),
        sa.Column("next_attempt_ms", _BIG, server_default="0", nullable=False),
        sa.Column("error", _TEXT, nullable=True),
        sa.Column("connected_ms", _BIG, nullable=True),
        sa.Column("witnessed_size", _BIG, server_default="0", nullable=False),
        sa.Column("ended_ms", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("agency", name="pk_link"),
        comment="How the link to each peer stands, and the size of our ledger that it cosigned.",
    )
    op.create_table(
        "peer",
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("card_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("changed_ms", _BIG, nullable=False),
        sa.CheckConstraint(
            "state in ('trusted', 'quarantined', 'revoked')", name=op.f("ck_peer_state")
        ),
        sa.PrimaryKeyConstraint("agency", name="pk_peer"),
        comment="Agencies whose card an operator pinned.",
    )
    op.create_table(
        "ledger_alarm",
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("size", _BIG, autoincrement=False, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("shown_by", _TEXT, nullable=False),
        sa.Column("found_ms", _BIG, nullable=False),
        sa.Column("held_size", _BIG, nullable=False),
        sa.Column("held_note", sa.LargeBinary(), nullable=False),
        sa.Column("shown_note", sa.LargeBinary(), nullable=False),
        sa.Column("settled_ms", _BIG, nullable=True),
        sa.CheckConstraint(
            "kind in ('closing', 'fork', 'replaced', 'unproven')",
            name=op.f("ck_ledger_alarm_kind"),
        ),
        sa.PrimaryKeyConstraint("origin", "size", "kind", name="pk_ledger_alarm"),
        comment="Partners' ledgers that show two histories, or that were not proven to show one.",
    )
    op.create_table(
        "recovered",
        sa.Column("start_index", _BIG, autoincrement=False, nullable=False),
        sa.Column("end_index", _BIG, nullable=False),
        sa.Column("recovered_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("start_index", name="pk_recovered"),
        comment="Entries that an export brought back, perhaps without the messages that they name.",
    )
    op.create_table(
        "again",
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("next_attempt_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("agency", "message_id", name="pk_again"),
        comment="Acknowledged copies whose recipient has lost them, and asked for them again.",
    )
    op.create_table(
        "to_ask",
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("next_index", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("agency", "origin", name="pk_to_ask"),
        comment="Partners that are still to be asked for what a closed ledger of ours has lost.",
    )
    op.create_table(
        "pulse",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("beats", _BIG, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_pulse_single")),
        sa.PrimaryKeyConstraint("id", name="pk_pulse"),
        comment="Written now and then by a node that serves, to see that it still can.",
    )
    op.create_table(
        "refusal",
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("header_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("code", _TEXT, nullable=False),
        sa.Column("refused_ms", _BIG, nullable=False),
        sa.Column("entry_index", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("sender", "message_id", "header_sha256", "code", name="pk_refusal"),
        comment="Messages that we refused, so that a resend adds nothing to the ledger.",
    )
    op.create_table(
        "search_term",
        sa.Column("term", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", _BIG, autoincrement=False, nullable=False),
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("term", "at_ms", "sender", "message_id", name="pk_search_term"),
        comment="Keyed hashes of what messages name, such as a container, vessel or party.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_search_term_message_id", "search_term", ["message_id"], unique=False)
    op.create_table(
        "sent",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("header_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("content_key", sa.LargeBinary(), nullable=True),
        sa.Column("conversation_id", sa.LargeBinary(), nullable=False),
        sa.Column("in_reply_to", sa.LargeBinary(), nullable=True),
        sa.Column("priority", _BIG, nullable=False),
        sa.Column("created_ms", _BIG, nullable=False),
        sa.Column("expires_ms", _BIG, nullable=False),
        sa.Column("entry_index", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_sent"),
        comment="Messages that we sealed.",
    )
    op.create_index("ix_sent_created_ms", "sent", ["created_ms"], unique=False)
    op.create_index("ix_sent_conversation_id", "sent", ["conversation_id"], unique=False)
    op.create_index("ix_sent_in_reply_to", "sent", ["in_reply_to"], unique=False)
    op.create_table(
        "witness_head",
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_witness_head"),
        comment="The last checkpoint of each partner's ledger that we verified and cosigned.",
    )
    op.create_table(
        "outbox",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("priority", _BIG, nullable=False),
        sa.Column("expires_ms", _BIG, nullable=False),
        sa.Column("attempts", _BIG, server_default="0", nullable=False),
        sa.Column("next_attempt_ms", _BIG, server_default="0", nullable=False),
        sa.Column("code", _TEXT, nullable=True),
        sa.Column("detail", _TEXT, nullable=True),
        sa.Column("settled_ms", _BIG, nullable=True),
        sa.Column("receipt_entry", sa.LargeBinary(), nullable=True),
        sa.Column("receipt_index", _BIG, nullable=True),
        sa.Column("receipt_proof", sa.LargeBinary(), nullable=True),
        sa.Column("receipt_origin", _TEXT, nullable=True),
        sa.Column("receipt_size", _BIG, nullable=True),
        sa.Column("shared_size", _BIG, nullable=True),
        sa.Column("resealed_as", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "state in ('queued', 'acknowledged', 'refused', 'expired', 'dead')",
            name=op.f("ck_outbox_state"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["sent.message_id"], name="fk_outbox_message_id"),
        sa.ForeignKeyConstraint(["resealed_as"], ["sent.message_id"], name="fk_outbox_resealed_as"),
        sa.PrimaryKeyConstraint("message_id", "agency", name="pk_outbox"),
        comment="One row per recipient of each message that we sent, and its receipt.",
    )
    op.create_index(
        "ix_outbox_ended",
        "outbox",
        ["settled_ms"],
        unique=False,
        sqlite_where=sa.text("state in ('refused', 'expired', 'dead')"),
        postgresql_where=sa.text("state in ('refused', 'expired', 'dead')"),
    )
    op.create_index(
        "ix_outbox_resealed_as",
        "outbox",
        ["resealed_as"],
        unique=False,
        sqlite_where=sa.text("resealed_as is not null"),
        postgresql_where=sa.text("resealed_as is not null"),
    )
    op.create_index(
        "ix_outbox_queued",
        "outbox",
        ["agency", sa.literal_column("priority DESC"), "message_id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_outbox_ended_agency",
        "outbox",
        ["agency", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('refused', 'expired', 'dead')"),
        postgresql_where=sa.text("state IN ('refused', 'expired', 'dead')"),
    )


def _create_cases() -> None:
    op.create_table(
        "case_step",
        sa.Column("case_id", sa.LargeBinary(), nullable=False),
        sa.Column("step_id", sa.LargeBinary(), nullable=False),
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.Column("carrier", _TEXT, nullable=True),
        sa.Column("carrier_id", sa.LargeBinary(), nullable=True),
        sa.Column("entry_index", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "step_id", name="pk_case_step"),
        comment="Steps of return-to-origin cases; of those that came in a case file, whose it was.",
    )
    op.create_index(
        "ix_case_step_entry_index", "case_step", ["entry_index", "case_id"], unique=False
    )
    op.create_index("ix_case_step_message_id", "case_step", ["message_id"], unique=False)
    op.create_table(
        "case_notice",
        sa.Column("case_id", sa.LargeBinary(), nullable=False),
        sa.Column("founder", _TEXT, nullable=False),
        sa.Column("code", _TEXT, nullable=False),
        sa.Column("due_ms", _BIG, autoincrement=False, nullable=False),
        sa.Column("entry_index", _BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(
            "case_id", "founder", "code", "due_ms", "entry_index", name="pk_case_notice"
        ),
        comment="Due dates of cases that were near, or passed, and that the ledger says so of.",
    )
    op.create_table(
        "case_told",
        sa.Column("case_id", sa.LargeBinary(), nullable=False),
        sa.Column("founder", _TEXT, nullable=False),
        sa.Column("due_ms", _BIG, autoincrement=False, nullable=False),
        sa.Column("days", _BIG, nullable=False),
        sa.Column("told_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "founder", "due_ms", name="pk_case_told"),
        comment="What officers were reminded of last, of each due date of a case, and when.",
    )
    op.create_table(
        "case_filed",
        sa.Column("agency", _TEXT, nullable=False),
        sa.Column("step_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "step_id", name="pk_case_filed"),
        comment="Steps that we handed to a member that did not get them.",
    )


def _create_lists() -> None:
    """Make what officers set up for themselves."""
    op.create_table(
        "watch",
        sa.Column("term", sa.LargeBinary(), nullable=False),
        sa.Column("other", sa.LargeBinary(), nullable=False),
        sa.Column("content_key", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("added_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("term", "other", name="pk_watch"),
        comment="What officers watch for: a term, or two, and in words under the storage key.",
    )
    op.create_table(
        "agency_group",
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("agency", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", "agency", name="pk_agency_group"),
        comment="Named groups of recipients.",
    )


def _create_timestamps() -> None:
    op.create_table(
        "timestamp_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("asked_ms", _BIG, nullable=False),
        sa.Column("next_ms", _BIG, nullable=False),
        sa.Column("failures", _BIG, server_default="0", nullable=False),
        sa.Column("failing_ms", _BIG, nullable=True),
        sa.Column("error", _TEXT, nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_timestamp_state_single")),
        sa.PrimaryKeyConstraint("id", name="pk_timestamp_state"),
        comment=("How asking for time-stamps goes, and since when no authority has answered."),
    )
    op.create_table(
        "timestamp_token",
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("size", _BIG, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("authority", _TEXT, nullable=False),
        sa.Column("time_ms", _BIG, nullable=False),
        sa.Column("stored_ms", _BIG, nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "size", "root", "authority", name="pk_timestamp_token"),
        comment="RFC 3161 tokens over our checkpoints, each verified when it came.",
    )


def _create_keeping_tables() -> None:
    """What may be kept, and until when; what was withdrawn."""
    op.create_table(
        "legal_hold",
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("placed_ms", _BIG, nullable=False),
        sa.Column("entry_index", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("sender", "message_id", name="pk_legal_hold"),
        comment="Messages that must not be erased for now, and what forbids it.",
    )
    op.create_table(
        "retention",
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("until_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("sender", "message_id", name="pk_retention"),
        comment="Messages whose content is here, and has to go on a date.",
    )
    op.create_index("ix_retention_until_ms", "retention", ["until_ms"], unique=False)
    op.create_table(
        "forwarded",
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("original_sender", _TEXT, nullable=False),
        sa.Column("original_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "message_id", name="pk_forwarded"),
        comment="Forwards that arrived, and the message of a third agency that each carries.",
    )
    op.create_index("ix_forwarded_original_id", "forwarded", ["original_id"], unique=False)
    op.create_table(
        "withdrawn",
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("withdrawn_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_withdrawn"),
        comment="Messages of ours that we recalled; nobody sends them again.",
    )
    op.create_table(
        "recall",
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("recall_id", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.LargeBinary(), nullable=False),
        sa.Column("header_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", _TEXT, nullable=True),
        sa.Column("outcome_ms", _BIG, nullable=True),
        sa.Column("answer_id", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "outcome in ('DESTROYED', 'NEVER_KEPT', 'HELD')", name=op.f("ck_recall_outcome")
        ),
        sa.PrimaryKeyConstraint("sender", "recall_id", name="pk_recall"),
        comment="Recalls that arrived: what each withdraws, what became of it, and who was told.",
    )
    op.create_index("ix_recall_message_id", "recall", ["message_id"], unique=False)
    op.create_index(
        "ix_recall_to_obey",
        "recall",
        ["sender"],
        unique=False,
        sqlite_where=sa.text("answer_id is null or outcome = 'HELD'"),
        postgresql_where=sa.text("answer_id is null or outcome = 'HELD'"),
    )
