"""Who calls: principals, the tokens that carry them, and the keys that sign and verify these."""

import base64
import hashlib
import json
import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundline.options.v1 import access_pb2
from meshkit.errors import CredentialInvalid

log = structlog.get_logger(component=__name__)

ISSUER = AUDIENCE = "groundline"
PUBLIC_GROUP = "public"
ALGORITHM = "EdDSA"
# Longer than any token that is minted here or by a usual provider: refused before any work is spent on it.
MAX_TOKEN_CHARS = 8192
CLOCK_LEEWAY_S = 5

# Groups that a role brings along, so that tokens need not repeat them.
ROLE_GROUPS: Mapping[int, frozenset[str]] = {
    access_pb2.ROLE_AGENT: frozenset({"group:agents"}),
    access_pb2.ROLE_SUPERVISOR: frozenset({"group:agents", "group:supervisors"}),
    access_pb2.ROLE_ADMIN: frozenset({"group:agents", "group:supervisors", "group:admins"}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `role` is a groundline.options.v1.Role; `groups` always holds "public".

    `session_id` is what a customer's token is bound to; None for everyone else.
    """

    role: int
    subject: str
    groups: frozenset[str] = frozenset({PUBLIC_GROUP})
    session_id: str | None = None

    @property
    def role_name(self) -> str:
        """The role as tokens spell it: `agent`, `customer`, …"""
        return _ROLE_NAMES[self.role]


_ROLE_NAMES: dict[int, str] = {role: name.removeprefix("ROLE_").lower() for name, role in access_pb2.Role.items()}

ANONYMOUS = Principal(access_pb2.ROLE_UNSPECIFIED, "anonymous")


def role_from_name(name: str) -> access_pb2.Role.ValueType:
    """`agent` → ROLE_AGENT. Raises ValueError for an unknown name and for `unspecified`."""
    role = access_pb2.Role.Value(f"ROLE_{name.upper()}")
    if role == access_pb2.ROLE_UNSPECIFIED:
        raise ValueError("a principal needs a role")
    return role


def groups_for(role: int, groups: Iterable[str] = ()) -> frozenset[str]:
    """`groups`, what the role brings along, and "public"."""
    return frozenset(groups) | ROLE_GROUPS.get(role, frozenset()) | {PUBLIC_GROUP}


class TokenSigner:
    """Mints tokens with an Ed25519 key. Raises ValueError if the PEM holds another kind of key."""

    def __init__(self, private_pem: bytes) -> None:
        key = serialization.load_pem_private_key(private_pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the signing key is not an Ed25519 private key")
        self._key = key
        self._kid = key_id(key)

    @classmethod
    def from_file(cls, path: Path) -> "TokenSigner":
        """Reads the PEM at `path`."""
        return cls(path.read_bytes())

    def mint(
        self, role: int, subject: str, *, groups: Iterable[str] = (), session_id: str | None = None, ttl_s: float
    ) -> str:
        """A token for `subject`, valid from now for `ttl_s` seconds."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + int(ttl_s),
            "role": Principal(role, subject).role_name,
            "groups": sorted(groups),
        }
        if session_id is not None:
            claims["sid"] = session_id
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._kid})


class TokenVerifier:
    """Verifies tokens against the public keys of a JWKS file, and reads the file again when it changes.

    A verified token is remembered until it expires (at most `cache_size` of them), since a signature check costs more
    than all other layers together; a changed key file forgets them all. Raises OSError or ValueError at first if the
    file can't be used; later, the keys that are known stay in force.
    """

    def __init__(self, jwks_file: Path, *, cache_size: int = 4096, recheck_s: float = 1.0) -> None:
        self._file = jwks_file
        self._cache_size = cache_size
        self._recheck_s = recheck_s
        self._cache: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._stamp: tuple[int, int] | None = None
        self._checked = float("-inf")
        self._reload()

    def verify(self, token: str) -> Principal:
        """The principal that `token` stands for. Raises CredentialInvalid, whatever is wrong with it."""
        self._reload_if_changed()
        known = self._cache.get(token)
        if known is not None:
            principal, expires = known
            if time.time() < expires:
                self._cache.move_to_end(token)
                return principal
            del self._cache[token]
            raise CredentialInvalid()
        if len(token) > MAX_TOKEN_CHARS:
            raise CredentialInvalid()
        principal, expires = self._decode(token)
        self._cache[token] = (principal, expires)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return principal

    def _decode(self, token: str) -> tuple[Principal, float]:
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "role"]},
            )
            role = role_from_name(claims["role"])
            session_id = claims.get("sid")
            groups = claims.get("groups", [])
            if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
                raise ValueError("groups must be a list of strings")
            if role == access_pb2.ROLE_CUSTOMER and not isinstance(session_id, str):
                raise ValueError("a customer's token must be bound to a session")
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError) as exc:
            raise CredentialInvalid() from exc
        principal = Principal(role, claims["sub"], groups_for(role, groups), session_id)
        return principal, float(claims["exp"]) + CLOCK_LEEWAY_S

    def _reload_if_changed(self) -> None:
        now = time.monotonic()
        if now - self._checked < self._recheck_s:
            return
        self._checked = now
        try:
            self._reload()
        except (OSError, ValueError, jwt.PyJWTError) as exc:
            # A file in the midst of being replaced must not lock everybody out.
            log.error("verifying_keys_unreadable", file=str(self._file), error=type(exc).__name__)

    def _reload(self) -> None:
        found = self._file.stat()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp == self._stamp:
            return
        keys = jwt.PyJWKSet.from_dict(json.loads(self._file.read_bytes())).keys
        self._keys = {key.key_id: key for key in keys if key.key_id}
        self._cache.clear()
        self._stamp = stamp


class ServiceToken:
    """This process' own credential for calls to its peers; minted anew when a fifth of its life is left."""

    def __init__(self, signer: TokenSigner, service: str, *, ttl_s: float = 300.0) -> None:
        self._signer = signer
        self._service = service
        self._ttl_s = ttl_s
        self._bearer = ""
        self._renew_at = float("-inf")

    def bearer(self) -> str:
        """The value of the `authorization` header."""
        now = time.monotonic()
        if now >= self._renew_at:
            token = self._signer.mint(access_pb2.ROLE_SERVICE, self._service, ttl_s=self._ttl_s)
            self._bearer = f"Bearer {token}"
            self._renew_at = now + self._ttl_s * 0.8
        return self._bearer


def key_id(key: Ed25519PrivateKey) -> str:
    """A short name for a key, derived from its public half, so that rotation can tell keys apart."""
    return _base64url(hashlib.sha256(_public_bytes(key)).digest()[:12])


def create_keys(folder: Path) -> tuple[Path, Path]:
    """Writes `signing.pem` (mode 0600) and `jwks.json` into `folder` unless they stand there; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem_file, jwks_file = folder / "signing.pem", folder / "jwks.json"
    if pem_file.exists():
        key = TokenSigner.from_file(pem_file)._key
    else:
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # O_EXCL: two processes that start at once must not end with a key that one of them doesn't have.
        with os.fdopen(os.open(pem_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    if not jwks_file.exists():
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": _base64url(_public_bytes(key))}
        jwk |= {"kid": key_id(key), "use": "sig", "alg": ALGORITHM}
        draft = jwks_file.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps({"keys": [jwk]}, indent=2) + "\n")
        draft.replace(jwks_file)
    return pem_file, jwks_file


def _public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
