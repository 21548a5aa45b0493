"""Endpoints' secrets at rest: the database holds them encrypted under a key that it never sees."""

import os
import secrets
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class SecretUnreadable(Exception):
    """The secret was sealed under another key."""


def new_secret() -> str:
    """A secret of 256 random bits."""
    return f"whsec_{secrets.token_urlsafe(32)}"


class Seal:
    """Seals and opens secrets with a key derived from an Ed25519 private key. ValueError if the PEM holds another."""

    def __init__(self, private_pem: bytes) -> None:
        key = serialization.load_pem_private_key(private_pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the webhook key is not an Ed25519 private key")
        derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"groundline webhook secrets v1")
        self._cipher = AESGCM(derive.derive(key.private_bytes_raw()))

    @classmethod
    def from_file(cls, path: Path) -> "Seal":
        """Reads the PEM at `path`."""
        return cls(path.read_bytes())

    def close(self, secret: str, endpoint_id: UUID) -> bytes:
        """The secret as it is stored; it opens for this endpoint only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), endpoint_id.bytes)

    def open(self, sealed: bytes, endpoint_id: UUID) -> str:
        """The secret. Raises SecretUnreadable."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], endpoint_id.bytes).decode()
        except (InvalidTag, ValueError) as exc:
            raise SecretUnreadable() from exc
