"""The chain that every service runs."""

from collections.abc import Sequence

from meshkit import postgres
from meshkit.identity import TokenVerifier
from meshkit.interceptors.access_log import AccessLog
from meshkit.interceptors.access_rule import AccessRule
from meshkit.interceptors.admission import Admission
from meshkit.interceptors.authentication import Authentication
from meshkit.interceptors.errors import Errors, Translator
from meshkit.interceptors.layer import Layer
from meshkit.interceptors.metrics import Metrics
from meshkit.interceptors.request_id import RequestId
from meshkit.interceptors.tracing import Tracing
from meshkit.interceptors.validation import Validation


def standard_layers(
    verifier: TokenVerifier | None,
    *,
    max_concurrent_calls: int,
    max_open_streams: int,
    translators: Sequence[Translator] = (),
) -> tuple[Layer, ...]:
    """From the outside inwards. Each layer says itself what must stand outside it, and the chain checks that."""
    return (
        RequestId(),
        Tracing(),
        Metrics(),
        AccessLog(),
        Errors((postgres.translate, *translators)),
        Admission(max_concurrent_calls, max_open_streams),
        Authentication(verifier),
        AccessRule(),
        Validation(),
    )
