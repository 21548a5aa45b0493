"""A process' own clock, set wrong before anything has looked at it. The database's clock stays right."""

import datetime
import time
from types import SimpleNamespace


def set_wrong(offset_s: float) -> None:
    """From now on `time.time` and `datetime.now` are off by so many seconds; monotonic clocks are as they were."""
    true_time, true_time_ns, true_datetime = time.time, time.time_ns, datetime.datetime

    class Wrong(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true_datetime)

    class WrongDatetime(true_datetime, metaclass=Wrong):
        __slots__ = ()

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            # Of this very class: libraries choose by the type that they find under this name.
            return cls.fromtimestamp(true_time() + offset_s, tz)

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    time.time = lambda: true_time() + offset_s
    time.time_ns = lambda: true_time_ns() + int(offset_s * 1e9)
    datetime.datetime = WrongDatetime  # type: ignore[misc]
    # Where a machine's clock is wrong, Python and gRPC's core agree on it. Only Python's is set here: a deadline that
    # was told by it would have passed an hour ago for the core.
    import grpc.aio._utils

    grpc.aio._utils.time = SimpleNamespace(time=true_time)
