"""Attacks by the file of an audit bundle: whoever opens one has it from somebody else."""

from __future__ import annotations

import json
import struct
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from sesn_node.audit import names
from sesn_node.audit.archive import read_archive
from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.directory import MAX_MEMBER_BYTES
from sesn_node.audit.layout import CENTRAL, END, FULL, LOCAL, Part, directory, local_header
from sesn_node.audit.problems import BundleCode
from sesn_node.errors import MalformedError
from tests.support.bundles import HASH, pack, small
from tests.support.zips import Sparse, joined, laid_out, sparse

if TYPE_CHECKING:
    from collections.abc import Mapping

_GIB = 1 << 30


def _refused(data: bytes, code: BundleCode, *words: str) -> None:
    """Check that a file is refused for the right reason, in words that name a place."""
    with pytest.raises(MalformedError) as error:
        open_bundle(BytesIO(data))
    assert error.value.code == code.value, error.value
    for word in ("at byte", *words):
        assert word in error.value.message, error.value.message


def _whole() -> bytes:
    return pack(small())


def _members() -> list[tuple[str, bytes]]:
    return list(_unpacked(_whole()).items())


def _unpacked(data: bytes) -> dict[str, bytes]:
    archive = read_archive(BytesIO(data))
    return {name: archive.whole(name) for name in archive.parts}


def _zipped(members: Mapping[str, bytes], **options: int) -> bytes:
    """Write a ZIP as anybody would."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", **options) as file:  # type: ignore[call-overload]
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _patched(at: int, value: bytes) -> bytes:
    whole = _whole()
    return whole[:at] + value + whole[at + len(value) :]


def _central(number: int = 0) -> int:
    """Return where a member's central header is, in `_whole()`."""
    archive = read_archive(BytesIO(_whole()))
    parts = list(archive.parts.values())
    return parts[-1].end + sum(CENTRAL.size + len(part.name) for part in parts[:number])


def _local(name: str) -> int:
    return read_archive(BytesIO(_whole())).parts[name].offset


def test_bomb_of_compressed_members() -> None:
    """A gigabyte of zeros in a kilobyte: compression is refused before anything is unpacked."""
    members = {name: bytes(1 << 20) for name in names.member_names([1])}
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    _refused(out.getvalue(), BundleCode.COMPRESSED, "method 8", names.MANIFEST)


def test_bomb_of_overlapping_members() -> None:
    """Many directory entries for one member's bytes, as the flat ZIP bombs have."""
    members = _members()
    parts = list(read_archive(BytesIO(joined(members))).parts.values())
    kernel = parts[3]
    forged = [*parts[:4], Part(parts[4].name, kernel.length, kernel.crc, kernel.offset)]
    data = joined(members)[: parts[-1].end] + directory([*forged, *parts[5:]])
    _refused(data, BundleCode.MALFORMED, parts[4].name)


def test_member_within_a_member() -> None:
    """A directory that finds a second bundle inside the data of the first."""
    inner = _whole()
    members = _members()
    outer = joined([*members[:1], (members[1][0], inner), *members[2:]])
    # The end record of the inner one, which scanners from the front would find.
    _refused(outer + inner[-END.size :], BundleCode.MALFORMED)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "ledger/../../x",
        "..\\x",
        "C:\\x",
        "cards.pb/",
        "CARDS.PB",
    ],
)
def test_path_traversal(name: str) -> None:
    """Names that lead out of the folder into which somebody unpacks."""
    members = _members()
    members[1] = (name, members[1][1])
    _refused(joined(members), BundleCode.MEMBERS)


@pytest.mark.parametrize("name", ["kärten.pb", "cards.pb\0.exe", "x" * 60, ""])
def test_strange_names(name: str) -> None:
    """Names that tools show or cut differently."""
    members = _members()
    members[1] = (name, members[1][1])
    _refused(joined(members), BundleCode.MEMBERS)


def test_one_name_twice() -> None:
    """Tools take the first or the last of two members: two auditors would see two bundles."""
    members = _members()
    _refused(joined([*members[:2], members[1], *members[2:]]), BundleCode.MEMBERS, "cards.pb")


def test_members_missing_added_or_in_another_order() -> None:
    """What belongs into a bundle is given, and so is its order."""
    members = _members()
    _refused(joined(members[:-1]), BundleCode.MEMBERS)
    _refused(joined([*members, ("more.pb", b"")]), BundleCode.MEMBERS)
    _refused(joined([members[1], members[0], *members[2:]]), BundleCode.MEMBERS)
    _refused(joined([*members[:3], *members[5:]]), BundleCode.MEMBERS, "0 ledgers")
    twice = [*members[:5], *members[3:5], *members[5:]]
    _refused(joined(twice), BundleCode.MEMBERS, "ascending")


@pytest.mark.parametrize("epoch", ["0", "01", "1000000000", "x", "-1", "٣"])
def test_ledgers_of_strange_numbers(epoch: str) -> None:
    """A ledger's number is written in one way."""
    members = [(name.replace("/1/", f"/{epoch}/"), data) for name, data in _members()]
    _refused(joined(members), BundleCode.MEMBERS)


def test_gigantic_counts() -> None:
    """A file of some bytes that claims 65,535 members, or a directory of gigabytes."""
    whole = _whole()
    fields = list(END.unpack(whole[-END.size :]))
    fields[3] = fields[4] = 0xFFFF
    _refused(whole[: -END.size] + END.pack(*fields), BundleCode.TOO_LARGE, "65,535 members")
    fields = list(END.unpack(whole[-END.size :]))
    fields[5] = FULL - 1
    _refused(whole[: -END.size] + END.pack(*fields), BundleCode.TOO_LARGE, "4,294,967,294")


def test_no_members_at_all() -> None:
    """The smallest ZIP there is."""
    _refused(_zipped({}), BundleCode.TOO_LARGE, "0 members")


def test_gigantic_length() -> None:
    """A member of exabytes costs nothing to claim, and nothing to refuse."""
    parts = laid_out(dict.fromkeys(names.member_names([1]), 0) | {names.CARDS: 1 << 62})
    file = sparse(parts)
    with pytest.raises(MalformedError) as error:
        open_bundle(file.file())
    assert error.value.code == BundleCode.TOO_LARGE.value
    assert file.most_read < 1 << 20


def test_gigantic_manifest() -> None:
    """It is read whole, so it must not be long."""
    file = sparse(laid_out(dict.fromkeys(names.member_names([1]), 0) | {names.MANIFEST: _GIB}))
    with pytest.raises(MalformedError) as error:
        open_bundle(file.file())
    assert error.value.code == BundleCode.TOO_LARGE.value
    assert file.most_read < 1 << 20


def test_gigantic_record() -> None:
    """A record that says that it is 4 GiB long is not waited for."""
    parts = small(cards=b"\xff\xff\xff\xff" + HASH)
    with pytest.raises(MalformedError) as error:
        list(open_bundle(BytesIO(pack(parts))).cards())
    assert error.value.code == BundleCode.RECORD.value
    assert "at most" in error.value.message


def test_wrong_lengths() -> None:
    """A length that is one off, in the directory or before the data."""
    for at, form, field in ((_central(1), CENTRAL, 9), (_local(names.CARDS), LOCAL, 8)):
        fields = list(form.unpack_from(_whole(), at))
        fields[field] += 1
        _refused(_patched(at, form.pack(*fields)), BundleCode.MALFORMED)


@pytest.mark.parametrize("flag", [0x0001, 0x0041, 0x2000])
def test_marked_as_encrypted(flag: int) -> None:
    """In the directory, and in the local header alone."""
    for at in (_central(2) + 8, _local(names.CHECKPOINTS) + 6):
        _refused(_patched(at, struct.pack("<H", flag)), BundleCode.ENCRYPTED, names.CHECKPOINTS)


def test_data_descriptor() -> None:
    """Lengths behind the data are read by some tools and not by others."""
    for at in (_central(2) + 8, _local(names.CHECKPOINTS) + 6):
        _refused(_patched(at, b"\x08\0"), BundleCode.MALFORMED, "data descriptor")


def test_compressed_in_the_local_header_alone() -> None:
    """Tools that read from the front would see other bytes than those that use the directory."""
    at = _local(names.CHECKPOINTS) + 8
    _refused(_patched(at, b"\x08\0"), BundleCode.COMPRESSED, "local header", names.CHECKPOINTS)


def test_local_header_of_another_member() -> None:
    """The name before the data is that of the directory."""
    at = _local(names.CARDS) + LOCAL.size
    _refused(_patched(at, b"curds.pb"), BundleCode.MALFORMED, "local header", names.CARDS)


@pytest.mark.parametrize(
    ("what", "at"), [("version", 6), ("time", 12), ("attributes", 38), ("disk", 34), ("system", 5)]
)
def test_other_fields(what: str, at: int) -> None:
    """Every field that says nothing has one value; else it could say something."""
    del what
    _refused(_patched(_central(1) + at, b"\x01"), BundleCode.MALFORMED, names.CARDS)


def test_file_comment() -> None:
    """A comment could hold another end record, which some tools would find first."""
    whole = _whole()
    _refused(whole[:-2] + b"\x05\0hello", BundleCode.NOT_A_BUNDLE)
    _refused(whole[:-2] + b"\x05\0", BundleCode.NOT_A_BUNDLE)


def test_member_comment_and_extra_fields() -> None:
    """Room for what nobody checks."""
    for field in (11, 12):
        at = _central(1)
        fields = list(CENTRAL.unpack_from(_whole(), at))
        fields[field] = 4
        name_end = at + CENTRAL.size + len(names.CARDS)
        whole = _whole()
        longer = whole[:at] + CENTRAL.pack(*fields) + whole[at + CENTRAL.size : name_end]
        longer += b"\xfe\xca\0\0" + whole[name_end:]
        end = list(END.unpack(longer[-END.size :]))
        end[5] += 4
        _refused(longer[: -END.size] + END.pack(*end), BundleCode.MALFORMED, names.CARDS)


def test_something_in_front() -> None:
    """A script or a document before the bundle, whose offsets are moved so that it still reads."""
    _refused(b"#!/bin/sh\n" + _whole(), BundleCode.MALFORMED)
    members = _members()
    with BytesIO() as out:
        out.write(b"#!/bin/sh\n")
        with zipfile.ZipFile(out, "a") as file:
            for name, data in members:
                info = zipfile.ZipInfo(name)
                info.create_system = 0
                info.external_attr = 0
                file.writestr(info, data)
        _refused(out.getvalue(), BundleCode.MALFORMED)


def test_something_between_or_behind() -> None:
    """Bytes that belong to no member."""
    whole = _whole()
    at = _local(names.MESSAGES)
    _refused(whole[:at] + b"\0" + whole[at:], BundleCode.MALFORMED)
    _refused(whole + b"\0", BundleCode.NOT_A_BUNDLE)
    central = _central()
    moved = list(END.unpack(whole[-END.size :]))
    moved[6] += 7
    data = whole[:central] + b"1234567" + whole[central : -END.size] + END.pack(*moved)
    _refused(data, BundleCode.MALFORMED, "gap")


def test_cut_off() -> None:
    """At any place."""
    whole = _whole()
    for length in range(0, len(whole), 37):
        _refused(whole[:length], BundleCode.NOT_A_BUNDLE)


def test_another_kind_of_zip() -> None:
    """What anybody's tools write is no bundle, though it has the same members."""
    _refused(_zipped(_unpacked(_whole())), BundleCode.MALFORMED)


def test_wrong_crc_and_wrong_digest() -> None:
    """Data that were changed, and data whose CRC was set right again."""
    parts = _unpacked(_whole())
    at = _local(names.leaves_name(1)) + LOCAL.size + len(names.leaves_name(1))
    _refused(_patched(at, b"\xff"), BundleCode.DAMAGED, "CRC-32", "leaves.bin")
    parts[names.leaves_name(1)] = HASH[::-1] * 2
    _refused(joined(list(parts.items())), BundleCode.DAMAGED, "SHA-256", "leaves.bin")


def test_zip64_where_it_is_not_needed() -> None:
    """Two lengths for one member: tools differ in which one they take."""
    at = _local(names.CARDS)
    whole = _whole()
    fields = list(LOCAL.unpack_from(whole, at))
    fields[7] = fields[8] = FULL
    fields[10] = 20
    extra = struct.pack("<2H2Q", 1, 16, 0, 0)
    name_end = at + LOCAL.size + len(names.CARDS)
    data = whole[:at] + LOCAL.pack(*fields) + whole[at + LOCAL.size : name_end]
    _refused(data + extra + whole[name_end:], BundleCode.MALFORMED)
    # In the directory, with the real length behind the full one.
    at = _central(1)
    central = list(CENTRAL.unpack_from(whole, at))
    central[8] = central[9] = FULL
    central[11] = 20
    name_end = at + CENTRAL.size + len(names.CARDS)
    longer = whole[:at] + CENTRAL.pack(*central) + whole[at + CENTRAL.size : name_end]
    end = list(END.unpack(whole[-END.size :]))
    end[5] += 20
    longer += extra + whole[name_end : -END.size] + END.pack(*end)
    _refused(longer, BundleCode.MALFORMED, names.CARDS)


def test_full_length_without_zip64() -> None:
    """A length of 0xFFFFFFFF and no field that says the real one."""
    at = _central(1)
    fields = list(CENTRAL.unpack_from(_whole(), at))
    fields[8] = fields[9] = FULL
    _refused(_patched(at, CENTRAL.pack(*fields)), BundleCode.MALFORMED, names.CARDS)


def test_zip64_end_records_where_they_are_not_needed() -> None:
    """A second end record, with another directory."""
    whole = _whole()
    fields = list(END.unpack(whole[-END.size :]))
    begins = fields[6]
    fields[6] = FULL
    end64 = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, fields[3], fields[4], fields[5], begins
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, begins + fields[5], 1)
    data = whole[: -END.size] + end64 + locator + END.pack(*fields)
    _refused(data, BundleCode.MALFORMED)
    _refused(whole[: -END.size] + END.pack(*fields), BundleCode.MALFORMED)


def test_file_of_many_gigabytes_is_read_in_pieces() -> None:
    """A real zip64 file reads, as it does for others, and costs no memory."""
    lengths = dict.fromkeys(names.member_names([1, 2]), 10)
    lengths |= {names.leaves_name(1): 9 * _GIB, names.entries_name(2): FULL}
    parts = laid_out(lengths)
    file = sparse(parts)
    archive = read_archive(file.file())
    assert list(archive.parts.values()) == parts
    assert file.most_read < 1 << 16
    with zipfile.ZipFile(file.file()) as stranger:
        found = [(one.filename, one.file_size, one.header_offset) for one in stranger.infolist()]
    assert found == [(part.name, part.length, part.offset) for part in parts]


@pytest.mark.parametrize("length", [FULL - 1, FULL, FULL + 1, MAX_MEMBER_BYTES])
def test_lengths_around_32_bits(length: int) -> None:
    """Of a member, and so of the offset of the next one and of the directory."""
    for large in (names.CARDS, names.TIMESTAMPS):
        parts = laid_out(dict.fromkeys(names.member_names([1]), 0) | {large: length})
        assert list(read_archive(sparse(parts).file()).parts.values()) == parts


def test_file_that_shrinks_while_it_is_read() -> None:
    """Somebody cuts it off after its headers were checked."""

    class Shrinking(Sparse):
        def read(self, size: int = -1) -> bytes:
            data = super().read(size)
            return data[:-1] if size > 1000 else data

    parts = laid_out(dict.fromkeys(names.member_names([1]), 0) | {names.MANIFEST: 2000})
    pieces = {part.offset: local_header(part) for part in parts}
    end = directory(parts)
    file = Shrinking(parts[-1].end + len(end), pieces | {parts[-1].end: end})
    with pytest.raises(MalformedError) as error:
        open_bundle(file.file())
    assert error.value.code == BundleCode.DAMAGED.value


@pytest.mark.parametrize(
    "forge",
    [
        lambda text: text.replace('"sesn-audit-v1"', '"sesn-audit-v2"'),
        lambda text: text.replace('"size":2', '"size":3'),
        lambda text: text.replace('"size":2', '"size":2.0'),
        lambda text: text.replace('"size":2', '"size":true'),
        lambda text: text.replace('"size":2', '"size":-1'),
        lambda text: text.replace('"blind":false', '"blind":0'),
        lambda text: text.replace('"blind":false', '"blind":false,"blind":false'),
        lambda text: text.replace('"blind":false', '"blind":false,"more":1'),
        lambda text: text.replace('"messages":[]', '"messages":["x"]'),
        lambda text: text.replace('"messages":[]', '"messages":[1]'),
        lambda text: text.replace('"agency":"nl.customs"', '"agency":"gh.epa"'),
        lambda text: text.replace("cards.pb", "curds.pb"),
        lambda text: text.replace('"length":64', '"length":65'),
        lambda text: text.replace("ledger/1/", "ledger/2/"),
        lambda text: text.replace(":", ": "),
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: json.dumps(json.loads(text), separators=(",", ":"), sort_keys=False)[::-1],
        lambda _: "[" * 100_000,
        lambda _: "",
    ],
)
def test_manifest_that_contradicts_or_is_written_otherwise(forge: object) -> None:
    """It has one form, and speaks of the members that are there."""
    parts = _unpacked(_whole())
    text = parts[names.MANIFEST].decode()
    assert callable(forge)
    forged = forge(text)
    assert forged != text
    parts[names.MANIFEST] = forged.encode()
    with pytest.raises(MalformedError) as error:
        open_bundle(BytesIO(joined(list(parts.items()))))
    assert error.value.code == BundleCode.MANIFEST.value, error.value
