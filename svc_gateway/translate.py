"""Rows into the contract's messages."""

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.evaluation.v1 import reason_code_pb2
from groundline.options.v1 import access_pb2
from meshkit.identity import Principal
from svc_gateway.store import MessageRow, SessionRow

STATUSES = {
    "open": pb.SESSION_STATUS_OPEN,
    "escalated": pb.SESSION_STATUS_ESCALATED,
    "resolved": pb.SESSION_STATUS_RESOLVED,
}
ROLES = {
    "customer": pb.MESSAGE_ROLE_CUSTOMER,
    "assistant": pb.MESSAGE_ROLE_ASSISTANT,
    "agent": pb.MESSAGE_ROLE_AGENT,
    "system": pb.MESSAGE_ROLE_SYSTEM,
}
RATINGS = {pb.RATING_HELPFUL: "helpful", pb.RATING_NOT_HELPFUL: "not_helpful"}
RATINGS_BY_NAME = {name: rating for rating, name in RATINGS.items()}

# Who is shown what the bot makes of a conversation for its own use.
SEES_SUMMARY = frozenset(
    {access_pb2.ROLE_AGENT, access_pb2.ROLE_SUPERVISOR, access_pb2.ROLE_ADMIN, access_pb2.ROLE_SERVICE}
)


def session_to_proto(row: SessionRow, viewer: Principal) -> pb.Session:
    """A conversation as `viewer` may see it."""
    session = pb.Session(
        session_id=str(row.session_id),
        channel=row.channel,
        customer_id=row.customer_id or "",
        customer_verified=row.customer_verified,
        knowledge_base=row.knowledge_base,
        status=STATUSES[row.status],
        summary=row.summary_current if viewer.role in SEES_SUMMARY else "",
    )
    session.started_at.FromDatetime(row.started_at)
    session.last_activity_at.FromDatetime(row.last_activity_at)
    if row.latest_response_message_id:
        session.latest_response_message_id = str(row.latest_response_message_id)
    if row.ticket_id:
        session.ticket_id = str(row.ticket_id)
    if row.escalation_reason:
        session.escalation_reason = reason_code_pb2.ReasonCode.Value(f"REASON_CODE_{row.escalation_reason}")
    return session


KINDS = {"clarifying_question": pb.MESSAGE_KIND_CLARIFYING_QUESTION}


def message_to_proto(row: MessageRow) -> pb.Message:
    """A message of the chain."""
    message = pb.Message(
        message_id=str(row.message_id),
        session_id=str(row.session_id),
        role=ROLES[row.role],
        content=row.content,
        sequence=row.sequence,
        author_name=row.metadata_json.get("author_name", ""),
        citations=[pb.MessageCitation(**each) for each in row.metadata_json.get("citations", ())],
        rating=RATINGS_BY_NAME[row.rating] if row.rating else pb.RATING_UNSPECIFIED,
        kind=KINDS.get(row.metadata_json.get("kind", ""), pb.MESSAGE_KIND_UNSPECIFIED),
    )
    if row.in_reply_to:
        message.in_reply_to = str(row.in_reply_to)
    message.created_at.FromDatetime(row.created_at)
    return message
