"""What a customer is told when the bot does not answer. Fixed words: nothing here is ever guessed."""

from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.evaluation.v1.evaluation_pb2 import CLARIFICATION_KIND_VERSION, Clarification

TAKING_OVER = "A colleague takes over from here and will answer you in this conversation."

# One line per reason, as the contract's comments promise.
BY_REASON = {
    rc.REASON_CODE_NO_EVIDENCE: "I could not find this in our documentation.",
    rc.REASON_CODE_INSUFFICIENT_COVERAGE: "I could not find a complete answer to this in our documentation.",
    rc.REASON_CODE_CONFLICTING_SOURCES: "Our sources disagree on this, so I would rather not tell you something wrong.",
    rc.REASON_CODE_STALE_SOURCES: "What I found on this may be out of date.",
    rc.REASON_CODE_MISSING_CITATIONS: "I could not back an answer with our documentation.",
    rc.REASON_CODE_UNSUPPORTED_CLAIM: "I could not back an answer with our documentation.",
    rc.REASON_CODE_LLM_ERROR: "I can't answer right now.",
    rc.REASON_CODE_EVALUATOR_ERROR: "I can't answer right now.",
    rc.REASON_CODE_RETRIEVAL_ERROR: "I can't answer right now.",
    rc.REASON_CODE_CUSTOMER_REQUEST: "I am passing you to a colleague.",
    rc.REASON_CODE_POLICY_RESTRICTED: "This is something that a colleague must look at.",
    rc.REASON_CODE_TURN_FAILED: "I can't answer right now.",
    rc.REASON_CODE_AGENT_TAKEOVER: "",
}

# Small talk is answered by an approved record where there is one, and by this where there is none.
SMALL_TALK = "I am here for your questions about our products, and look the answers up in our documentation."

SAY_MORE = (
    "Could you tell me a little more? Name the product, what you are trying to do, and the exact message or code that "
    "you see."
)
WHICH_ONE = "Which one do you mean: {options}?"
CLARIFYING_QUESTION = "clarifying_question"
"""The kind of the messages below, in their metadata."""


def clarifying_question(clarification: Clarification) -> str:
    """What a customer is asked back. The only words in it that are not fixed are names from the sources' titles."""
    options = list(clarification.options)
    if clarification.kind == CLARIFICATION_KIND_VERSION and len(options) > 1:
        return WHICH_ONE.format(options=f"{', '.join(options[:-1])} or {options[-1]}")
    return SAY_MORE


def escalation_notice(reason: rc.ReasonCode.ValueType) -> str:
    """The notice for a reason; an unknown one gets the words that promise nothing but a person."""
    return " ".join(part for part in (BY_REASON.get(reason, ""), TAKING_OVER) if part)
