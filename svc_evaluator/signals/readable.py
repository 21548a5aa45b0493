"""Whether the numbers and kinds that the gate is given can be read at all."""

import math
from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from svc_evaluator.case import Case
from svc_evaluator.signals.finding import Finding

_FLOATS = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)


def input_readable(case: Case) -> Finding:
    """How many values of pack, draft and second opinion are no finite number, or of a kind that is not known here."""
    count = sum(1 for _ in _unreadable(case.pack))
    if case.draft is not None:
        count += sum(1 for _ in _unreadable(case.draft))
    if case.opinion is not None:
        count += sum(1 for _ in _unreadable(case.opinion))
    return Finding(float(count), f"{count} values can't be read" if count else "")


def _unreadable(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        if field.type in _FLOATS:
            yield from (field.name for each in values if not math.isfinite(each))
        elif field.enum_type is not None:
            yield from (field.name for each in values if each not in field.enum_type.values_by_number)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in values:
                yield from _unreadable(each)
