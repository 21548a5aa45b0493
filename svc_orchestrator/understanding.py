"""Reading a customer's words: what is wanted, and the question as it stands alone. Rules, no model."""

import re
from collections.abc import Sequence

from groundline.orchestration.v1 import event_pb2
from svc_orchestrator.before import Before
from svc_orchestrator.leaning import Needs, needs

METHOD = "rules-4"
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

# So many of the customer's messages before it are read, and so much of each.
_MOST_READ = 12
_MOST_CHARS_READ = 1000


def understand(burst: Sequence[str], earlier: Sequence[str], *, asked_back: bool = False) -> event_pb2.Understanding:
    """Reads a burst of messages as one; `earlier` are the customer's messages before it, oldest first.

    A question that leans on what came before has the words that it leaves unsaid put in at its end; one that asks the
    same of another thing ("and on 3.5?"), and the reply to a clarifying question (`asked_back`), have what was asked
    before in front of their own, with that version instead.
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
        before = Before()
        for each in earlier[-_MOST_READ:]:
            line = " ".join(each.split())[-_MOST_CHARS_READ:]
            if line and not _SMALL_TALK.match(line):
                before.hear(line)
        completed = before.completed(text, Needs.QUESTION if asked_back else needs(text))
        if completed != text:
            found.standalone_query = completed[-MAX_QUERY_CHARS:]
    return found
