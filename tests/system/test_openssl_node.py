"""What a running node shows to the network, and what it hands out, as `openssl` sees it."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from sesn_node.crypto.signing import ObjectKind, signed_bytes
from sesn_node.domain.ids import AgencyId
from sesn_node.ledger.note import parse_note
from sesn_node.trust.certificates import certificate_pem
from sesn_node.trust.roots import agency_dns
from tests.support.serving import Home, founded, introduce, serve

pytestmark = pytest.mark.system

# SubjectPublicKeyInfo of an Ed25519 key, up to the 32 bytes of the key (RFC 8410 section 4).
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


async def _openssl(*arguments: str | Path) -> tuple[int, str]:
    """Run a command with an empty standard input; return its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        "openssl",
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


async def _handshake(server: Home, client: Home, folder: Path, version: str) -> tuple[int, str]:
    """Shake hands with a node as one of its partners, at one version of TLS."""
    root, leaf, key = folder / "root.pem", folder / "leaf.pem", folder / "key.pem"
    root.write_bytes(certificate_pem(server.root_der))
    leaf.write_bytes(client.identity.leaf_pem)
    key.write_bytes(client.identity.key_pem)
    options: list[str | Path] = ["-connect", server.endpoint, "-alpn", "h2", version]
    options += ["-CAfile", root, "-cert", leaf, "-key", key, "-verify_return_error"]
    options += ["-verify_hostname", agency_dns(server.agency)]
    return await _openssl("s_client", *options)


async def test_partner_connects_with_tls_1_3(tmp_path: Path) -> None:
    """OpenSSL verifies the node's leaf under its root and name, and agrees on TLS 1.3."""
    customs, epa = founded(tmp_path, AgencyId("nl.customs"), AgencyId("gh.epa"))
    introduce(customs, epa)
    async with serve(epa):
        code, said = await _handshake(epa, customs, tmp_path, "-tls1_3")
    assert code == 0, said
    assert "Verify return code: 0 (ok)" in said
    assert "TLSv1.3" in said


async def test_nobody_connects_with_tls_1_2(tmp_path: Path) -> None:
    """Even a trusted partner gets no handshake below TLS 1.3."""
    customs, epa = founded(tmp_path, AgencyId("nl.customs"), AgencyId("gh.epa"))
    introduce(customs, epa)
    async with serve(epa):
        code, said = await _handshake(epa, customs, tmp_path, "-tls1_2")
    assert code != 0
    assert "Cipher is (NONE)" in said


async def test_card_verifies_with_openssl(tmp_path: Path) -> None:
    """A card's seal is plain ECDSA by the key of the root certificate that the card carries."""
    (customs,) = founded(tmp_path, AgencyId("nl.customs"))
    root, public = tmp_path / "root.pem", tmp_path / "public.pem"
    seal, signed = tmp_path / "seal", tmp_path / "signed"
    root.write_bytes(certificate_pem(customs.root_der))
    seal.write_bytes(customs.card.seal)
    signed.write_bytes(signed_bytes(ObjectKind.CARD, customs.card.body))
    await _openssl("x509", "-in", root, "-pubkey", "-noout", "-out", public)
    _, said = await _openssl("dgst", "-sha256", "-verify", public, "-signature", seal, signed)
    assert "Verified OK" in said


async def test_checkpoint_verifies_with_openssl(tmp_path: Path) -> None:
    """The first line of a checkpoint is plain Ed25519 over the note text (C2SP signed-note)."""
    (customs,) = founded(tmp_path, AgencyId("nl.customs"))
    note = parse_note((customs.path / "ledger.head").read_bytes().partition(b"\n")[2])
    public, text, signature = tmp_path / "public.pem", tmp_path / "text", tmp_path / "signature"
    spki = base64.b64encode(ED25519_SPKI + customs.card.card.ledger.ed25519).decode()
    public.write_text(f"-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n")
    text.write_text(note.text)
    signature.write_bytes(note.signatures[0].payload)
    check: list[str | Path] = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public]
    code, said = await _openssl(*check, "-sigfile", signature, "-in", text)
    assert code == 0, said
    text.write_text(note.text.replace("\n1\n", "\n2\n"))
    code, _ = await _openssl(*check, "-sigfile", signature, "-in", text)
    assert code != 0
