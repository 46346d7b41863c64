"""The life of keys: made, announced, replaced, expired, missing, destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sesn_node import bootstrap
from sesn_node.crypto.keys import KeyKind, key_id
from sesn_node.domain.entries import KeyCode
from sesn_node.errors import ConfigError, PolicyError, StorageError
from sesn_node.exchange.keycare import tend_keys
from sesn_node.exchange.keyviews import KeyState, view_keys
from sesn_node.exchange.open import open_received
from sesn_node.exchange.rotate import Rotatable, prepare, rotate
from sesn_node.store.files import replace_file
from tests.support.homes import GH, NL
from tests.support.network import DAY_MS, HOUR_MS
from tests.support.rotations import (
    EVERYTHING,
    Traffic,
    bring_in,
    key_entries,
    ring_of,
    rotate_all_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.network import Network


def test_encryption_keys_are_destroyed_on_their_day(connect: Callable[..., Network]) -> None:
    """Not a moment before, whatever was rotated; then the key is gone, and the ledger says so."""
    net = connect(NL, GH)
    old = net[GH].card.card.encryption_keys[0]
    rotate_all_of(net[GH], Rotatable.ENCRYPTION)
    net.clock.now_ms = old.destroyed_ms - 1
    assert tend_keys(net[GH].office).destroyed == ()
    net.pass_time(1)
    assert tend_keys(net[GH].office).destroyed == (key_id(old.public_key),)
    assert ring_of(net[GH]).find(key_id(old.public_key)) is None
    assert (KeyCode.KEY_DESTROYED, key_id(old.public_key)) in key_entries(net[GH])
    assert tend_keys(net[GH].office).destroyed == ()
    assert key_id(old.public_key) not in net[GH].office.keys.decryption


def test_nobody_seals_what_would_outlive_the_key(connect: Callable[..., Network]) -> None:
    """A sender goes by the day on the card that it holds."""
    net = connect(NL, GH)
    old = net[GH].card.card.encryption_keys[0]
    net.clock.now_ms = old.not_after_ms - HOUR_MS
    net[GH].issue(expires_ms=net.clock.now_ms + DAY_MS)
    net[NL].issue(expires_ms=net.clock.now_ms + DAY_MS)
    with pytest.raises(PolicyError):
        net.share(NL, GH, expires_ms=old.destroyed_ms + 1)


def test_old_seal_keys_leave_the_card_when_their_messages_have_expired(
    connect: Callable[..., Network],
) -> None:
    """Not before: what they sealed may still be under way."""
    net = connect(NL, GH)
    first = net[NL].card.card.seal_keys[0].spki
    net.share(NL, GH)
    bring_in(net[NL], Rotatable.SEAL)
    net.pass_time(29 * DAY_MS)
    bring_in(net[NL], Rotatable.WITNESS)
    assert first in {key.spki for key in net[NL].card.card.seal_keys}
    net.deliver(NL, GH)
    net.pass_time(2 * DAY_MS)
    bring_in(net[NL], Rotatable.WITNESS)
    assert first not in {key.spki for key in net[NL].card.card.seal_keys}
    net.check()


def test_a_card_that_is_full_of_seal_keys(connect: Callable[..., Network]) -> None:
    """The seventeenth is refused as long as the others are needed; nothing changes by that."""
    net = connect(NL, GH)
    net.checking = False
    for _ in range(15):
        net.share(NL, GH)
        bring_in(net[NL], Rotatable.SEAL)
    net.share(NL, GH)
    sequence = net[NL].card.card.sequence
    with pytest.raises(PolicyError, match="room for 16 seal keys") as caught:
        bring_in(net[NL], Rotatable.SEAL)
    assert caught.value.code == "TOO_MANY_KEYS"
    assert net[NL].card.card.sequence == sequence
    net.checking = True
    net.share(NL, GH)
    net.pass_time(31 * DAY_MS)
    bring_in(net[NL], Rotatable.SEAL)
    assert len(net[NL].card.card.seal_keys) == 2


def test_a_card_holds_the_newest_encryption_keys(connect: Callable[..., Network]) -> None:
    """Older ones make room on it; they stay in the key file until their day, and open messages."""
    net = connect(NL, GH)
    net.checking = False
    message_id = net.share(NL, GH)
    first = net[GH].card.card.encryption_keys[0].public_key
    for _ in range(17):
        bring_in(net[GH], Rotatable.ENCRYPTION)
        net.pass_time(HOUR_MS)
    keys = net[GH].card.card.encryption_keys
    assert len(keys) == 16
    assert first not in {key.public_key for key in keys}
    net.checking = True
    net.deliver(NL, GH)
    assert net[NL].states(message_id) == {GH: "acknowledged"}
    assert ring_of(net[GH]).find(key_id(first)) is not None


def test_keys_of_another_machine_are_waited_for(connect: Callable[..., Network]) -> None:
    """A process without the newest key file says which to copy, and goes on when it is there."""
    net = connect(NL, GH)
    path = net[NL].home / bootstrap.NODE_KEY
    before = path.read_bytes()
    traffic = Traffic(net)
    waiting = net.share(GH, NL)
    traffic.add(GH, NL, waiting)
    bring_in(net[NL], *EVERYTHING)
    after = path.read_bytes()
    net[NL].close()
    replace_file(path, before)
    net[NL].open()
    with pytest.raises(StorageError, match=r"node\.key from the machine") as caught:
        net[NL].office.sequencer.check()
    assert caught.value.code == "KEY_MISSING"
    assert str(path) in str(caught.value)
    with pytest.raises(StorageError) as caught:
        net.share(NL, GH)
    assert caught.value.code == "KEY_MISSING"
    net.deliver(GH, NL)
    (copy,) = net[GH].copies(waiting).values()
    assert (copy.state.value, copy.code) == ("queued", "BUSY")
    replace_file(path, after)
    net.pass_time(HOUR_MS)
    traffic.goes_on()


def test_a_message_to_a_key_that_is_elsewhere_is_put_off(connect: Callable[..., Network]) -> None:
    """Our card promised the key, so the sender is asked to wait, and not refused for good."""
    net = connect(NL, GH)
    path = net[NL].home / bootstrap.NODE_KEY
    before = path.read_bytes()
    bring_in(net[NL], Rotatable.ENCRYPTION)
    after = path.read_bytes()
    net.deliver(NL, GH)
    net.wire(GH, NL).connect()
    message_id = net.share(GH, NL)
    net[NL].close()
    replace_file(path, before)
    net[NL].open()
    net.deliver(GH, NL)
    (copy,) = net[GH].copies(message_id).values()
    assert (copy.state.value, copy.code) == ("queued", "BUSY")
    assert "KEY_MISSING" in (copy.detail or "")
    assert str(path) not in (copy.detail or "")
    replace_file(path, after)
    net[NL].reopen()
    net.pass_time(HOUR_MS)
    net.deliver(GH, NL)
    assert net[GH].states(message_id) == {NL: "acknowledged"}


def test_prepared_keys_are_brought_into_use_later(connect: Callable[..., Network]) -> None:
    """Between making a key and using it, the key file can be copied; the same key is then used."""
    net = connect(NL, GH)
    wanted = [one for one in EVERYTHING if one is not Rotatable.TLS]
    made = prepare(net[NL].office, wanted)
    assert prepare(net[NL].office, wanted) == made
    traffic = Traffic(net)
    traffic.share()
    traffic.arrives()
    net.pass_time(DAY_MS)
    assert bring_in(net[NL], *wanted).made == made
    traffic.goes_on()
    with pytest.raises(ConfigError, match="TLS"):
        prepare(net[NL].office, [Rotatable.TLS])


def test_prepared_keys_that_lie_too_long_are_made_anew(connect: Callable[..., Network]) -> None:
    """A key does not begin its life half over."""
    net = connect(NL, GH)
    (made,) = prepare(net[NL].office, [Rotatable.SEAL])
    net.pass_time(31 * DAY_MS)
    (used,) = bring_in(net[NL], Rotatable.SEAL).made
    assert used != made
    assert ring_of(net[NL]).find(made.key_id) is None


def test_keys_are_told_of_two_months_ahead(connect: Callable[..., Network]) -> None:
    """Not a day sooner; what was rotated is not asked for again."""
    net = connect(NL, GH)
    ends_ms = net[NL].card.card.seal_keys[0].not_after_ms
    net.clock.now_ms = ends_ms - 60 * DAY_MS
    prompts = view_keys(net[NL].office).prompts
    net.clock.now_ms -= DAY_MS
    assert view_keys(net[NL].office).prompts == ()
    assert len(prompts) < 4
    net.clock.now_ms = ends_ms - 30 * DAY_MS
    assert len(view_keys(net[NL].office).prompts) == 4
    rotate_all_of(net[NL], Rotatable.SEAL)
    kinds = [prompt.split(" ends", 1)[0] for prompt in view_keys(net[NL].office).prompts]
    assert kinds == ["the tls key", "the encryption key"]


def test_how_keys_stand(connect: Callable[..., Network]) -> None:
    """In use, not yet, retiring, expired, or missing."""
    net = connect(NL, GH)
    office = net[NL].office

    def states(kind: KeyKind) -> list[KeyState]:
        return [one.state for one in view_keys(office).keys if one.kind is kind]

    assert all(one.state is KeyState.IN_USE for one in view_keys(office).keys)
    prepare(office, [Rotatable.SEAL, Rotatable.STORAGE])
    for kind in (KeyKind.SEAL, KeyKind.STORAGE):
        assert states(kind) == [KeyState.IN_USE, KeyState.NOT_YET]
    bring_in(net[NL], *EVERYTHING)
    for kind in (KeyKind.TLS, KeyKind.SEAL, KeyKind.ENCRYPTION, KeyKind.LOG_MLDSA44):
        assert states(kind) == [KeyState.RETIRING, KeyState.IN_USE]
    (old, _) = [one for one in view_keys(office).keys if one.kind is KeyKind.SEAL]
    assert old.until_ms is not None
    assert old.until_ms <= net.clock.now_ms + HOUR_MS
    net.clock.now_ms = net[NL].card.card.encryption_keys[0].not_after_ms
    assert states(KeyKind.ENCRYPTION)[0] is KeyState.EXPIRED
    tend_keys(office)
    assert states(KeyKind.SEAL) == [KeyState.IN_USE]
    seal = ring_of(net[NL]).of_kind(KeyKind.SEAL)[0]
    office.vault.file.change(lambda ring: ring.remove(seal.key_id))
    assert states(KeyKind.SEAL) == [KeyState.MISSING]
    (prompt,) = [one for one in view_keys(office).prompts if seal.key_id.hex()[:16] in one]
    assert "copy keys/node.key" in prompt


def test_expired_keys_keep_nobody_from_reading(connect: Callable[..., Network]) -> None:
    """Years later the home opens, verifies, and says which command makes it work again."""
    net = connect(NL, GH)
    traffic = Traffic(net)
    message_id = net.share(NL, GH)
    traffic.add(NL, GH, message_id)
    traffic.goes_on()
    net.pass_time(3 * 365 * DAY_MS)
    for member in net:
        member.reopen()
        prompts = view_keys(member.office).prompts
        assert [prompt.split(" ended", 1)[0] for prompt in prompts] == [
            "the tls key",
            "the seal key",
            "the encryption key",
            "our card",
        ]
        assert "sesn keys rotate seal" in prompts[1]
    (row,) = net[GH].received(message_id)
    assert open_received(net[GH].office, row).kind.value == "alert"
    with pytest.raises(PolicyError):
        net.share(NL, GH)
    for member in net:
        rotate_all_of(member, Rotatable.SEAL, Rotatable.ENCRYPTION, Rotatable.TLS)
    net.trust(NL, GH)
    net.trust(GH, NL)
    traffic.goes_on()


def test_an_expired_seal_key_names_the_command(connect: Callable[..., Network]) -> None:
    """The card may outlast its keys: 'sesn card issue' leaves them as they are."""
    net = connect(NL, GH)
    last_ms = net[NL].card.card.seal_keys[0].not_after_ms
    net.clock.now_ms = last_ms - DAY_MS
    for member in net:
        member.issue(expires_ms=last_ms + 300 * DAY_MS)
    net.trust(NL, GH)
    rotate_all_of(net[GH], Rotatable.ENCRYPTION)
    net.trust(NL, GH)
    net.clock.now_ms = last_ms
    with pytest.raises(ConfigError, match="sesn keys rotate seal") as caught:
        net.share(NL, GH)
    assert caught.value.code == "KEY_EXPIRED"
    assert "UTC" in str(caught.value)


def test_rotations_are_told_in_the_ledger(connect: Callable[..., Network]) -> None:
    """Which key came, which went out of use, and which is gone."""
    net = connect(NL, GH)
    old = {one.kind: one.key_id for one in ring_of(net[NL]).records}
    made = {one.kind: one.key_id for one in rotate_all_of(net[NL], *EVERYTHING).made}
    entries = key_entries(net[NL])
    assert [code for code, _ in entries].count(KeyCode.CARD_ISSUED) == 2
    assert {name for code, name in entries if code is KeyCode.KEY_ROTATED} == set(made.values())
    retired = {name for code, name in entries if code is KeyCode.KEY_RETIRED}
    assert retired == {old[kind] for kind in made}
    destroyed = {name for code, name in entries if code is KeyCode.KEY_DESTROYED}
    assert destroyed == {old[KeyKind.STORAGE]}
    net.pass_time(HOUR_MS)
    tend_keys(net[NL].office)
    destroyed = {name for code, name in key_entries(net[NL]) if code is KeyCode.KEY_DESTROYED}
    assert destroyed == {old[kind] for kind in made if kind is not KeyKind.ENCRYPTION}
    net.check()


def test_a_rotation_without_the_root_key(connect: Callable[..., Network]) -> None:
    """Nothing is made if what it would be made for cannot be done."""
    net = connect(NL, GH)
    before = ring_of(net[NL])
    with pytest.raises(ConfigError, match="root key"):
        rotate(net[NL].office, [Rotatable.SEAL], described=net[NL].card.card)
    assert ring_of(net[NL]) == before
    rotated = rotate(net[NL].office, [Rotatable.STORAGE], described=net[NL].card.card)
    assert rotated.card is None
    net.check()
