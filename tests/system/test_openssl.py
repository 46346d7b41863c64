"""What we sign and certify is what the `openssl` command understands."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from sesn_node.crypto.keys import KeyKind, KeyRecord, generate
from sesn_node.crypto.signers import Signer, signer_for
from sesn_node.crypto.signing import ObjectKind, sign_object, signed_bytes
from sesn_node.domain.ids import AgencyId
from sesn_node.trust.certificates import certificate_pem, issue_leaf, issue_root

pytestmark = pytest.mark.system

AGENCY = AgencyId("nl.customs")
NOT_BEFORE_MS = 1_767_225_600_000
NOT_AFTER_MS = 1_798_761_600_000
NOW_S = NOT_BEFORE_MS // 1000 + 86_400


@dataclass(frozen=True)
class Issued:
    """An agency's root and one leaf, as files."""

    folder: Path
    signer: Signer
    root: Path
    leaf: Path


def _key(kind: KeyKind) -> KeyRecord:
    return generate(
        kind, created_ms=NOT_BEFORE_MS, not_before_ms=NOT_BEFORE_MS, not_after_ms=NOT_AFTER_MS
    )


def _openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    """Issue a root and a leaf, and write both as PEM."""
    signer = signer_for(_key(KeyKind.ROOT))
    root_der = issue_root(AGENCY, signer, NOT_BEFORE_MS, NOT_AFTER_MS)
    leaf_spki = _key(KeyKind.TLS).public
    leaf_der = issue_leaf(root_der, signer, AGENCY, leaf_spki, NOT_BEFORE_MS, NOT_AFTER_MS)
    root, leaf = tmp_path / "root.pem", tmp_path / "leaf.pem"
    root.write_bytes(certificate_pem(root_der))
    leaf.write_bytes(certificate_pem(leaf_der))
    return Issued(tmp_path, signer, root, leaf)


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_leaf_verifies_under_its_root(issued: Issued, purpose: str) -> None:
    """OpenSSL accepts the leaf, for both ends of a connection, by its strictest rules."""
    options = ["-x509_strict", "-purpose", purpose, "-attime", str(NOW_S)]
    done = _openssl("verify", *options, "-CAfile", issued.root, issued.leaf)
    assert done.returncode == 0, done.stderr


def test_leaf_does_not_verify_under_another_root(issued: Issued, tmp_path: Path) -> None:
    """A root with the same name and another key vouches for nothing."""
    other = tmp_path / "other.pem"
    der = issue_root(AGENCY, signer_for(_key(KeyKind.ROOT)), NOT_BEFORE_MS, NOT_AFTER_MS)
    other.write_bytes(certificate_pem(der))
    done = _openssl("verify", "-attime", str(NOW_S), "-CAfile", other, issued.leaf)
    assert done.returncode != 0


def test_leaf_names_its_agency(issued: Issued) -> None:
    """OpenSSL reads the agency from the leaf's alternative names."""
    done = _openssl("x509", "-in", issued.leaf, "-noout", "-ext", "subjectAltName")
    assert "URI:sesn://nl.customs" in done.stdout
    assert "DNS:nl.customs.sesn.internal" in done.stdout


@pytest.mark.parametrize("kind", list(ObjectKind))
def test_seal_verifies_with_openssl(issued: Issued, kind: ObjectKind) -> None:
    """A seal is plain ECDSA over the prefixed body; an altered body fails."""
    public, seal, signed = (issued.folder / name for name in ("public.pem", "seal", "signed"))
    body = b"the exact bytes of a body"
    seal.write_bytes(sign_object(issued.signer, kind, body))
    _openssl("x509", "-in", issued.root, "-pubkey", "-noout", "-out", public)
    check: list[str | Path] = ["dgst", "-sha256", "-verify", public, "-signature", seal, signed]
    signed.write_bytes(signed_bytes(kind, body))
    assert _openssl(*check).stdout == "Verified OK\n"
    signed.write_bytes(signed_bytes(kind, body + b"."))
    assert _openssl(*check).returncode != 0
