"""Properties of a bundle's container: what is written is read, and nothing else is."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.audit import names
from sesn_node.audit.archive import Spool, read_archive, write_archive
from sesn_node.audit.bundle import open_bundle
from sesn_node.audit.problems import BundleCode
from sesn_node.crypto.primitives import sha256
from sesn_node.errors import MalformedError
from tests.support.bundles import HASH, member, pack, small
from tests.support.zips import joined

_CODES = {code.value for code in BundleCode}
_EPOCHS = st.sets(st.integers(1, 999_999_999), min_size=1, max_size=4).map(sorted)


@given(epochs=_EPOCHS, data=st.data())
def test_members_come_back_and_the_file_has_one_form(
    epochs: list[int], data: st.DataObject
) -> None:
    """Whatever is in the members; `zipfile`, which nobody here wrote, reads the same."""
    wanted = {name: data.draw(st.binary(max_size=300)) for name in names.member_names(epochs)}
    spools = []
    for name, content in wanted.items():
        if name != names.MANIFEST:
            spools.append(Spool(name, BytesIO()))
            for piece in (content[:7], content[7:]):
                spools[-1].write(piece)
    out = BytesIO()
    hashed = write_archive(out, (names.MANIFEST, wanted[names.MANIFEST]), spools)
    written = out.getvalue()
    assert hashed == sha256(written)
    assert written == joined(list(wanted.items()))
    archive = read_archive(BytesIO(written))
    assert {name: archive.whole(name) for name in archive.parts} == wanted
    assert archive.size == len(written)
    with zipfile.ZipFile(BytesIO(written)) as stranger:
        assert stranger.testzip() is None
        assert {name: stranger.read(name) for name in stranger.namelist()} == wanted


def test_every_flipped_bit_is_refused() -> None:
    """Of headers, of data, of the manifest and of the end; none is left to chance."""
    whole = pack(small(disclosed=member(b"")))
    open_bundle(BytesIO(whole))
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        with pytest.raises(MalformedError) as error:
            open_bundle(BytesIO(changed))
        assert error.value.code in _CODES, at


@given(st.data())
def test_any_edit_is_refused(data: st.DataObject) -> None:
    """Bytes that are cut out, put in, doubled or replaced."""
    whole = pack(small(cards=member(HASH), messages=member(HASH, HASH)))
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(len(whole), begin + 64)))
    new = data.draw(st.one_of(st.binary(max_size=40), st.just(whole[begin:end] * 2)))
    changed = whole[:begin] + new + whole[end:]
    if changed == whole:
        return
    with pytest.raises(MalformedError) as error:
        open_bundle(BytesIO(changed))
    assert error.value.code in _CODES


@given(st.binary(max_size=200))
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    """Any bytes at all."""
    with pytest.raises(MalformedError) as error:
        open_bundle(BytesIO(data))
    assert error.value.code in _CODES
