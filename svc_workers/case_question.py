"""What a customer asked before a person took over."""

from collections.abc import Sequence
from datetime import datetime

from groundline.conversation.v1 import conversation_pb2
from meshkit.text.words import words

MAX_MESSAGES = 8
"""How many of the customer's messages make up a question at most."""
ENOUGH_WORDS = 2

# A wish for a person says nothing of what the person is wanted for.
_WISH = frozenset(
    """human agent person people speak talk real support representative operator somebody someone help chat staff
    employee colleague service customer team contact connect transfer call call-back yes no ok okay thanks thank
    hello""".split()  # noqa: SIM905
)


def question_of(messages: Sequence[conversation_pb2.Message], handed_over: datetime) -> str:
    """The customer's words that led to the ticket, oldest first, one paragraph for each message.

    `messages` is the chain, oldest first. Goes back from `handed_over`, over the bot's answers only while what was
    found so far says nothing ("a person, please"), and never beyond an agent's message: that was another matter.
    """
    before = [each for each in messages if each.created_at.ToDatetime(handed_over.tzinfo) <= handed_over]
    asked: list[str] = []
    for message in reversed(before):
        if message.role == conversation_pb2.MESSAGE_ROLE_AGENT or len(asked) == MAX_MESSAGES:
            break
        if message.role == conversation_pb2.MESSAGE_ROLE_ASSISTANT and _says_enough(asked):
            break
        if message.role == conversation_pb2.MESSAGE_ROLE_CUSTOMER:
            asked.append(message.content.strip())
    if not asked:
        # The agent began: what the customer said first after that is the matter.
        later = [each for each in messages if each.role == conversation_pb2.MESSAGE_ROLE_CUSTOMER]
        asked = [each.content.strip() for each in reversed(later[:MAX_MESSAGES])]
    telling = [each for each in asked if _subjects([each])]
    return "\n\n".join(reversed(telling or asked))


def _says_enough(asked: Sequence[str]) -> bool:
    return len(_subjects(asked)) >= ENOUGH_WORDS


def _subjects(asked: Sequence[str]) -> set[str]:
    return {each.stem for text in asked for each in words(text) if not each.stop and each.text.lower() not in _WISH}
