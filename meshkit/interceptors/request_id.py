"""Names the call: the client's own `x-request-id` where it is usable, else a new one."""

import re

import uuid_utils

from meshkit.call import Call
from meshkit.interceptors.layer import Layer

HEADER = "x-request-id"
# Goes into logs and headers as it is: so it is short and can't break either.
_USABLE = re.compile(r"[A-Za-z0-9._:-]{8,128}").fullmatch


class RequestId(Layer):
    """Sets `call.request_id`."""

    name = "request_id"

    def before(self, call: Call) -> None:
        given = call.metadata.get(HEADER)
        call.request_id = given if isinstance(given, str) and _USABLE(given) else str(uuid_utils.uuid7())
