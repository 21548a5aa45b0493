"""One signed request to an endpoint, bounded in time and in size, and never redirected."""

import asyncio
import hashlib
import hmac
import ssl

import httpcore

from svc_workers.webhooks.connecting import GuardedBackend, RefusedAddress, Unresolved

SIGNATURE_HEADER = "groundline-signature"
USER_AGENT = "groundline-webhooks/1"
MAX_CONNECTIONS = 64


class NotSent(Exception):
    """No answer came. `why` is a word of the contract: `refused_address`, `unresolved`, `unreachable`, `tls`,
    `timeout`, `protocol`."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def sign(secret: str, body: bytes, *, at: int) -> str:
    """The value of the signature header for a request that is sent at `at`, in seconds since 1970."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Sender:
    """Posts to endpoints. Every request has a connection of its own, as every connection is checked."""

    def __init__(self, backend: GuardedBackend, *, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        self._timeout_s = timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls, max_connections=MAX_CONNECTIONS, max_keepalive_connections=0, network_backend=backend
        )

    async def close(self) -> None:
        """Closes what is still open."""
        await self._pool.aclose()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """Sends JSON and returns the status of the answer, the body of which is never read. Raises NotSent."""
        sent = {"content-type": "application/json", "user-agent": USER_AGENT, "connection": "close", **headers}
        each = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        try:
            # The client's own limits are for each wait; a receiver that drips would be within them for ever.
            async with (
                asyncio.timeout(self._timeout_s),
                self._pool.stream(
                    "POST", url, headers=list(sent.items()), content=body, extensions={"timeout": each}
                ) as answer,
            ):
                return answer.status
        except RefusedAddress as exc:
            raise NotSent("refused_address") from exc
        except Unresolved as exc:
            raise NotSent("unresolved") from exc
        except (TimeoutError, httpcore.TimeoutException) as exc:
            raise NotSent("timeout") from exc
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as exc:
            raise NotSent("protocol") from exc
        except (httpcore.NetworkError, OSError) as exc:
            raise NotSent("tls" if _is_tls(exc) else "unreachable") from exc


def _is_tls(exc: BaseException | None) -> bool:
    while exc is not None:
        if isinstance(exc, ssl.SSLError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False
