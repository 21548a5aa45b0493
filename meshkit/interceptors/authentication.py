"""Finds out who calls, from the `authorization` header or, for browsers, the session cookie."""

from meshkit.call import Call
from meshkit.errors import CredentialInvalid
from meshkit.identity import TokenVerifier
from meshkit.interceptors.layer import Layer

SESSION_COOKIE = "groundline_session"


class Authentication(Layer):
    """Sets `call.principal`; leaves ANONYMOUS where there is no credential. One that is present must be valid."""

    name = "authentication"
    inside = ("errors",)

    def __init__(self, verifier: TokenVerifier | None) -> None:
        self._verifier = verifier

    def before(self, call: Call) -> None:
        if call.method.exempt:
            return
        token = _token(call)
        if token is None:
            return
        if self._verifier is None:
            raise CredentialInvalid()
        call.principal = self._verifier.verify(token)


def _token(call: Call) -> str | None:
    header = call.metadata.get("authorization")
    if header is not None:
        scheme, _, token = str(header).partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise CredentialInvalid()
        return token.strip()
    cookies = call.metadata.get("cookie")
    if isinstance(cookies, str):
        for pair in cookies.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == SESSION_COOKIE:
                return value
    return None
