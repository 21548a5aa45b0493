"""The edge's REST surface, as a browser or a script calls it."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any

import httpx

from cli.errors import CommandError

Json = dict[str, Any]

TIMEOUT_S = 20.0


class DemoFailed(CommandError):
    """A step did not hold; the message says which and what was seen instead."""


class Rest:
    """JSON calls to the edge at `base_url`. Use it as a context manager."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.client = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_S)
        # Each call carries its own credential. The session's cookie is for browsers, who prove their origin with it.
        self.client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    async def __aenter__(self) -> Rest:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def get(self, path: str, token: str | None, **query: str | int) -> Json:
        """GET, as JSON. Raises DemoFailed for any refusal."""
        return await self.send("GET", path, token, params=query)

    async def post(self, path: str, token: str | None, body: Json) -> Json:
        """POST, as JSON. Raises DemoFailed for any refusal."""
        return await self.send("POST", path, token, json=body)

    async def patch(self, path: str, token: str | None, body: Json) -> Json:
        """PATCH, as JSON. Raises DemoFailed for any refusal."""
        return await self.send("PATCH", path, token, json=body)

    async def send(self, method: str, path: str, token: str | None, **given: Any) -> Json:
        """One call. Raises DemoFailed for any refusal, CommandError if nothing answers."""
        response = await self.answer(method, path, token, **given)
        if response.is_error:
            raise DemoFailed(f"{method} {path} was refused: {response.status_code} {_reason(response)}")
        answered: Json = response.json()
        return answered

    async def answer(self, method: str, path: str, token: str | None, **given: Any) -> httpx.Response:
        """One call, whatever it is answered with. Raises CommandError if nothing answers."""
        try:
            return await self.client.request(method, path, headers=bearer(token), **given)
        except httpx.ConnectError:
            raise CommandError(
                f"nothing answers at {self.base_url}: start it with `make up`, or name the edge with --edge"
            ) from None
        except httpx.HTTPError as error:
            raise DemoFailed(f"{method} {path}: {type(error).__name__}") from None


def bearer(token: str | None) -> dict[str, str]:
    """The header that carries a credential."""
    return {"authorization": f"Bearer {token}"} if token else {}


def _reason(response: httpx.Response) -> str:
    try:
        status = response.json()
        reasons = [each["reason"] for each in status.get("details", ()) if "reason" in each]
        return f"{status['message']} ({', '.join(reasons)})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.text[:200]
