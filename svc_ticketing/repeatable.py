"""What makes a create repeatable: who asked, under which request_id, for exactly what."""

import hashlib
import hmac
from dataclasses import dataclass

from google.protobuf.message import Message

from meshkit.errors import RequestIdReused
from meshkit.identity import Principal


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Identifies a create. `owner` keeps callers apart; `sha256` is of the whole request."""

    owner: str
    request_id: str
    sha256: bytes

    @classmethod
    def of(cls, request: Message, request_id: str, by: Principal) -> "RequestKey | None":
        """The key of `request`; None without a request_id: then every call makes something new."""
        if not request_id:
            return None
        body = request.SerializeToString(deterministic=True)
        return cls(f"{by.role_name}:{by.subject}", request_id, hashlib.sha256(body).digest())

    def check(self, stored_sha256: bytes) -> None:
        """Raises RequestIdReused unless the first call had the same body."""
        if not hmac.compare_digest(self.sha256, stored_sha256):
            raise RequestIdReused(request_id=self.request_id)
