"""Our keys as people look at them: what each is for, how it stands, and what to do soon."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sesn_node.crypto.keys import KeyKind, key_id
from sesn_node.domain.times import DAY_MS, HOUR_MS, utc_minute
from sesn_node.exchange.keyhistory import KeyHistory, key_history, keys_in_use
from sesn_node.exchange.owncard import DESTRUCTION_MS, promised_keys
from sesn_node.exchange.rotate import Rotatable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sesn_node.crypto.keyring import Keyring
    from sesn_node.crypto.keys import KeyRecord
    from sesn_node.exchange.office import Office
    from sesn_node.trust.card import TrustedCard
    from sesn_node.trust.directory import Directory

WARNING_MS: Final = 60 * DAY_MS
"""How long before a key ends somebody is told."""

_ENFORCED: Final = frozenset({KeyKind.SEAL, KeyKind.TLS, KeyKind.ENCRYPTION})
"""Kinds whose end others go by; the other kinds end when somebody rotates them."""

_PURPOSES: Final = {kind: what for what in Rotatable for kind in what.kinds}


class KeyState(StrEnum):
    """How a key stands."""

    IN_USE = "in use"
    NOT_YET = "not yet"
    """Made, and not in use so far."""
    RETIRING = "retiring"
    """Replaced; kept for what still depends on it."""
    EXPIRED = "expired"
    MISSING = "missing"
    """In use, and not in the key file."""


@dataclass(frozen=True, slots=True)
class KeyView:
    """One key.

    Args:
        kind: What it is for.
        key_id: Its id.
        state: How it stands.
        until_ms: When it ends; None if only the key file would say.
        destroyed_ms: When its private part is destroyed, if that is known by now.
        newest: Whether it is the one in use, or was until it expired.
    """

    kind: KeyKind
    key_id: bytes
    state: KeyState
    until_ms: int | None
    destroyed_ms: int | None = None
    newest: bool = False

    @property
    def command(self) -> str:
        """What replaces it; empty if nothing does."""
        what = _PURPOSES.get(self.kind)
        return "" if what is None else f"sesn keys rotate {what}"


@dataclass(frozen=True, slots=True)
class KeysView:
    """All keys, and the card that names most of them.

    Args:
        own: Our newest card.
        keys: The root's first, then by purpose, the oldest first.
        prompts: What somebody should do soon, in sentences.
    """

    own: TrustedCard
    keys: tuple[KeyView, ...]
    prompts: tuple[str, ...]


def view_keys(office: Office) -> KeysView:
    """Look at all keys.

    Raises:
        StorageError: The database or the key file cannot be read.
    """
    now_ms = office.clock()
    with office.store.read() as transaction:
        directory = office.partners.current(transaction)
        history = key_history(transaction)
        promised = promised_keys(transaction, office.agency)
    scene = _Scene(directory, office.vault.file.refresh(), history, promised, now_ms)
    found = scene.views()
    prompts = [text for one in found if (text := _prompt(one, now_ms))]
    card = directory.own.card
    if card.expires_ms - now_ms < WARNING_MS:
        prompts.append(_ends("our card", card.expires_ms, now_ms, "sesn card issue"))
    return KeysView(directory.own, tuple(found), tuple(prompts))


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a key is looked at against."""

    directory: Directory
    ring: Keyring
    history: KeyHistory
    promised: Mapping[bytes, int]
    now_ms: int

    def views(self) -> list[KeyView]:
        """Return all keys, by purpose, the oldest first; the root's first."""
        root = self.directory.own.root
        state = KeyState.IN_USE if self.now_ms <= root.not_after_ms else KeyState.EXPIRED
        found = [KeyView(KeyKind.ROOT, key_id(root.spki), state, root.not_after_ms, newest=True)]
        used = keys_in_use(self.directory, self.ring)
        for kind in (*_PURPOSES, KeyKind.INDEX):
            newest = self.ring.find(used.get(kind, b""))
            found += [self._view(one, newest) for one in self.ring.of_kind(kind)]
            if kind in used and newest is None:
                found.append(KeyView(kind, used[kind], KeyState.MISSING, None))
        return found

    def _view(self, record: KeyRecord, used: KeyRecord | None) -> KeyView:
        until_ms = self._until_ms(record)
        if (
            used is None
            or record.created_ms > used.created_ms
            or self.now_ms < record.not_before_ms
        ):
            state = KeyState.NOT_YET
        elif self.now_ms >= until_ms and record.kind in _ENFORCED:
            state = KeyState.EXPIRED
        else:
            state = KeyState.IN_USE if record == used else KeyState.RETIRING
        return KeyView(
            kind=record.kind,
            key_id=record.key_id,
            state=state,
            until_ms=until_ms,
            destroyed_ms=self._destroyed_ms(record),
            newest=record == used,
        )

    def _until_ms(self, record: KeyRecord) -> int:
        """Return when a key ends; a seal key that was replaced ends sooner than it was made for."""
        for key in self.directory.own.card.seal_keys:
            if key.spki == record.public:
                return key.not_after_ms
        return record.not_after_ms

    def _destroyed_ms(self, record: KeyRecord) -> int | None:
        if record.kind is KeyKind.ENCRYPTION:
            return self.promised.get(record.key_id, record.not_after_ms + DESTRUCTION_MS)
        retired_ms = self.history.retired.get(record.key_id)
        return None if retired_ms is None else retired_ms + HOUR_MS


def _prompt(view: KeyView, now_ms: int) -> str:
    """Say what somebody should do about a key soon; empty if nothing."""
    what = f"the {view.kind} key"
    if view.state is KeyState.MISSING:
        return (
            f"{what} {view.key_id.hex()[:16]} is in use and not in the key file: copy "
            "keys/node.key from the machine where it was made"
        )
    if not view.newest or view.until_ms is None or view.until_ms - now_ms >= WARNING_MS:
        return ""
    return _ends(what, view.until_ms, now_ms, view.command)


def _ends(what: str, until_ms: int, now_ms: int, command: str) -> str:
    when = "ended" if until_ms <= now_ms else "ends"
    advice = f"run '{command}'" if command else "found the agency's node anew before that"
    return f"{what} {when} at {utc_minute(until_ms)} UTC: {advice}"
