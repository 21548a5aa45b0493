"""Reading a customer's words: what is wanted, and the question as it stands alone. Rules, no model."""

import re
from collections.abc import Sequence

from groundline.orchestration.v1 import event_pb2
from meshkit.text.versions import carried_over
from meshkit.text.words import words

METHOD = "rules-3"
MAX_QUERY_CHARS = 4000
# What is looked through for a wish or a greeting: the latest of it. Customers may write 50 times 16 KiB at once, and
# the patterns would hold up everybody's turns for a second and more over that.
MAX_READ_CHARS = 16_384

_PERSON = (
    r"(?:a |an |the |some |your |one of your )?(?:real |live |actual |human )?"
    r"(?:human|person|agent|representative|rep|operator|someone|somebody|colleague|staff|support (?:agent|person))"
)
# A wish, not a question about how or when people can be reached: that is answered from the records.
_WISHES = (
    rf"\b(?:i (?:want|need|wish|would like)|i ?['’]?d like|let me|can i|could i|may i)(?: to)? (?:talk|speak|chat|be "
    rf"(?:connected|transferred|passed)) (?:to|with) {_PERSON}\b",
    rf"\b(?:i (?:want|need|would like)|i ?['’]?d like) {_PERSON}\b(?! to\b)",
    rf"\b(?:connect|transfer|pass|put|hand|forward|get|give) me (?:through |over |on )?(?:to |with )?{_PERSON}\b",
    rf"^(?:please )?(?:talk|speak) (?:to|with) {_PERSON}\b",
    rf"^{_PERSON}(?:,? please)?[.!]*$",
)
_WISH = re.compile("|".join(_WISHES), re.IGNORECASE)

_SMALL_TALK = re.compile(
    r"^(?:(?:hi|hello|hey|hiya|greetings|good (?:morning|afternoon|evening|day)|moin|servus)"
    r"(?: (?:there|all|everyone|team|again|bot))?"
    r"|(?:many |ok(?:ay)?,? |great,? |perfect,? |cool,? )?(?:thanks|thank you|thx|cheers)"
    r"(?: (?:a lot|so much|very much|you|again|for (?:the|your) help|that helped))*"
    r"|(?:good)?bye(?: bye)?|see you|have a nice day|how are you(?: doing)?(?: today)?)[\s.,!?:)]*$",
    re.IGNORECASE,
)

# With these a question goes on from what was said before.
_GOES_ON = re.compile(
    r"^(?:and|but|so|also|what about|how about|what if|then|why|why not|really|which one)\b", re.IGNORECASE
)
# These stand for something; for what, the words before them may say.
_STANDS_FOR = re.compile(
    r"\b(?:it|its|that|this|those|these|they|them|(?:which|that|this|the|another) one|there(?=[?.!]*$)|the same|"
    r"the other|instead|above|former|latter)\b",
    re.IGNORECASE,
)
# In "is it possible to" it stands for nothing.
_NOTHING_MEANT = re.compile(
    r"\b(?:is|was|would|will) it (?:be )?(?:also |still )?"
    r"(?=(?:possible|necessary|allowed|okay|ok|safe|normal|better|true|an option)\b)",
    re.IGNORECASE,
)
# With these a message begins that says something else behind them.
_COURTESY = re.compile(
    r"^(?:(?:hi|hello|hey|thanks|thank you|thx|ok(?:ay)?|great|perfect|cool|yes|sorry)\b[\s,.!]*)+", re.IGNORECASE
)
# A question that has said so much before such a word speaks of that: "reset my Acme 3 so that it forgets the PIN".
_ENOUGH_BEFORE = 2
# A question with so many words that tell something stands alone, however it begins.
_ENOUGH_IN_ALL = 6
_SHORT_WORDS = 3
# Questions that lean on one another are carried so far back.
_MOST_CARRIED = 3


def understand(burst: Sequence[str], earlier: Sequence[str], *, asked_back: bool = False) -> event_pb2.Understanding:
    """Reads a burst of messages as one; `earlier` are the customer's messages before it, oldest first.

    A question that leans on what came before carries the customer's previous words in front of its own (and what
    those lean on); so does the reply to a clarifying question (`asked_back`). Where it asks the same of another version
    ("and on 3.5?"), the words before it are carried with that version.
    """
    text = " ".join(" ".join(part.split()) for part in burst)
    found = event_pb2.Understanding(method=METHOD, standalone_query=text[:MAX_QUERY_CHARS])
    text = text[-MAX_READ_CHARS:]
    if _WISH.search(text):
        found.intent = event_pb2.INTENT_HUMAN
    elif _SMALL_TALK.match(text):
        found.intent = event_pb2.INTENT_SMALL_TALK
    else:
        found.intent = event_pb2.INTENT_QUESTION
        carried = _carried(earlier, text) if asked_back or _needs_more(text) else ""
        if carried:
            found.standalone_query = f"{carried} {text}"[-MAX_QUERY_CHARS:]
    return found


def without_pointers(text: str) -> str:
    """The text without courtesies at its beginning and the words that point to what was said before."""
    return _STANDS_FOR.sub(" ", _GOES_ON.sub(" ", _COURTESY.sub("", text)))


def _needs_more(text: str) -> bool:
    return _leans(text) and not _names_something(text)


def _leans(text: str) -> bool:
    """Whether the words need what was said before them to be understood."""
    if len(text.split()) <= _SHORT_WORDS:
        return True
    if _GOES_ON.search(text):
        return _telling(text) < _ENOUGH_IN_ALL
    text = _NOTHING_MEANT.sub("", text)
    stands_for = _STANDS_FOR.search(text)
    return stands_for is not None and _telling(text[: stands_for.start()]) < _ENOUGH_BEFORE


def _telling(text: str) -> int:
    return sum(not each.stop for each in words(text))


def _names_something(text: str) -> bool:
    # An error code or product number stands for itself, however short the message.
    return bool(re.search(r"\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]{4,}\b|\b[A-Za-z]+-\d{2,}\b", text))


def _carried(earlier: Sequence[str], text: str) -> str:
    """What the text goes on from, back to what stands alone; "" if there is nothing."""
    lines = []
    for each in reversed(earlier):
        line = " ".join(each.split())[-MAX_QUERY_CHARS:]
        if not _SMALL_TALK.match(line):
            lines.append(line)
            if len(lines) == _MOST_CARRIED or not _needs_more(line):
                break
    carried = ""
    while lines:
        carried = f"{carried} {lines.pop()}".strip()
        carried = carried_over(carried, lines[-1] if lines else text)
    return carried
