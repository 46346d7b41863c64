"""A `Signer` in the shape that the X.509 builder of `cryptography` wants for its issuer's key.

So the root may live in a hardware module: the builder hands over the bytes to be signed and
asks for nothing else.
"""

from __future__ import annotations

from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.utils import Buffer

from sesn_node.crypto.keys import load_p256_public
from sesn_node.crypto.primitives import P256Public
from sesn_node.crypto.signers import Signer


class SignerKey(ec.EllipticCurvePrivateKey):
    """An issuer's key of which only the signature is ever asked.

    Raises:
        MalformedError: The signer's key is not P-256.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer: Final = signer
        self._public: Final = load_p256_public(signer.public)

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256, whatever the module says."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits of a scalar."""
        return self._public.key_size

    def public_key(self) -> P256Public:
        """Return the public part."""
        return self._public

    def sign(
        self,
        data: Buffer,
        signature_algorithm: ec.EllipticCurveSignatureAlgorithm,  # noqa: ARG002 - SHA-256 always
    ) -> bytes:
        """Sign the certificate's bytes: ECDSA with SHA-256, DER."""
        return self._signer.sign(bytes(data))

    def exchange(self, *_: object) -> NoReturn:
        """Refuse: a root agrees no keys."""
        raise NotImplementedError

    def private_numbers(self) -> NoReturn:
        """Refuse: the private key stays where it is."""
        raise NotImplementedError

    def private_bytes(self, *_: object) -> NoReturn:
        """Refuse: the private key stays where it is."""
        raise NotImplementedError

    def __copy__(self) -> SignerKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> SignerKey:
        return self
