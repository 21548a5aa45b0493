"""What is said on tickets and put on them: each once, and mirrored once."""

import asyncio

from google.rpc import code_pb2

from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from meshkit.ids import new_id

from .desk import Desk, change, comment, read, refusal


async def test_a_public_reply_goes_to_the_conversation_once(desk: Desk) -> None:
    made, agent = await desk.ticket(), desk.stub("agent")
    request = comment(made.ticket_id, body="Indoors only.", request_id="r1", source_message_id=str(new_id()))
    answers = await asyncio.gather(*(agent.CreateComment(request) for _ in range(10)))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    written = answers[0].comment
    assert (written.author_type, written.author) == (pb.AUTHOR_TYPE_AGENT, "ada")
    # Only a service can say that a comment mirrors a message.
    assert not written.HasField("source_message_id")
    (command,) = await desk.commands()
    assert (command["type"], command["idempotency_key"]) == ("mirror_reply", f"reply:{written.comment_id}")
    assert str(command["ordering_key"]) == made.session_id
    assert command["payload_json"] == {
        "session_id": made.session_id,
        "ticket_id": made.ticket_id,
        "comment_id": written.comment_id,
        "author_name": "ada",
        "body": "Indoors only.",
    }
    after = await read(desk, made.ticket_id)
    assert (after.status, after.etag) == (pb.TICKET_STATUS_PENDING, "2")
    refused = await refusal(agent.CreateComment(comment(made.ticket_id, body="Other words.", request_id="r1")))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_an_internal_note_stays_inside(desk: Desk) -> None:
    made = await desk.ticket()
    await desk.stub("agent").CreateComment(comment(made.ticket_id, visibility=pb.COMMENT_VISIBILITY_INTERNAL))
    assert await desk.commands() == []
    after = await read(desk, made.ticket_id)
    assert (after.status, after.etag) == (pb.TICKET_STATUS_OPEN, "2")


async def test_a_customers_message_is_mirrored_once(desk: Desk) -> None:
    made = await desk.ticket(customer_id="cust-7")
    await desk.force_status(made.ticket_id, "pending")
    worker = desk.stub("service", "worker-delivery")
    request = comment(made.ticket_id, body="And in winter?", source_message_id=str(new_id()))
    answers = await asyncio.gather(*(worker.CreateComment(request) for _ in range(10)))
    assert len({answer.comment.comment_id for answer in answers}) == 1
    assert (answers[0].comment.author_type, answers[0].comment.author) == (pb.AUTHOR_TYPE_CUSTOMER, "cust-7")
    assert (await read(desk, made.ticket_id)).status == pb.TICKET_STATUS_OPEN
    assert await desk.commands() == []
    system = (await worker.CreateComment(comment(made.ticket_id))).comment
    assert system.author_type == pb.AUTHOR_TYPE_SYSTEM


async def test_a_customers_message_reopens_unless_another_ticket_is_open(desk: Desk) -> None:
    worker, first = desk.stub("service", "worker-delivery"), await desk.ticket()
    await desk.force_status(first.ticket_id, "resolved")
    await worker.CreateComment(comment(first.ticket_id, source_message_id=str(new_id())))
    reopened = await read(desk, first.ticket_id)
    assert reopened.status == pb.TICKET_STATUS_OPEN
    assert not reopened.HasField("resolved_at")
    await desk.force_status(first.ticket_id, "resolved")
    await desk.ticket(session_id=first.session_id)
    await worker.CreateComment(comment(first.ticket_id, source_message_id=str(new_id())))
    after = await read(desk, first.ticket_id)
    assert after.status == pb.TICKET_STATUS_RESOLVED
    assert int(after.etag) > int(reopened.etag)


async def test_a_closed_ticket_takes_nothing_but_repeats(desk: Desk) -> None:
    made, agent = await desk.ticket(), desk.stub("agent")
    written = await agent.CreateComment(comment(made.ticket_id, request_id="r"))
    await desk.force_status(made.ticket_id, "closed")
    file = service_pb.CreateAttachmentRequest(
        ticket_id=made.ticket_id, filename="a", media_type="text/plain", content=b"a"
    )
    mirrored = comment(made.ticket_id, source_message_id=str(new_id()))
    for call in (
        agent.CreateComment(comment(made.ticket_id)),
        desk.stub("service", "worker-delivery").CreateComment(mirrored),
        agent.CreateAttachment(file),
        agent.UpdateTicket(change(made.ticket_id, tags=["late"])),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason, refused.metadata) == (
            code_pb2.FAILED_PRECONDITION,
            "TICKET_CLOSED",
            {"ticket_id": made.ticket_id},
        )
    assert await agent.CreateComment(comment(made.ticket_id, request_id="r")) == written
    assert not list((desk.objects / "attachments").glob("*/*"))


async def test_comments_page_oldest_first(desk: Desk) -> None:
    made, agent = await desk.ticket(), desk.stub("agent")
    written = [(await agent.CreateComment(comment(made.ticket_id, body=f"{n}"))).comment.comment_id for n in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = await agent.ListComments(
            service_pb.ListCommentsRequest(ticket_id=made.ticket_id, page_size=2, page_token=token)
        )
        seen.extend(each.comment_id for each in page.comments)
        token = page.next_page_token
        if not token:
            break
    assert seen == written


async def test_a_file_comes_back_as_bytes_and_nothing_else(desk: Desk) -> None:
    made, agent = await desk.ticket(), desk.stub("agent")
    content = b"<script>alert(1)</script>\0\xff"
    request = service_pb.CreateAttachmentRequest(
        ticket_id=made.ticket_id, filename="page.html", media_type="text/html", content=content, request_id="f"
    )
    answers = await asyncio.gather(*(agent.CreateAttachment(request) for _ in range(5)))
    (attachment,) = {answer.attachment.attachment_id: answer.attachment for answer in answers}.values()
    assert (attachment.size_bytes, attachment.media_type) == (len(content), "text/html")
    body = await agent.DownloadAttachment(
        service_pb.DownloadAttachmentRequest(ticket_id=made.ticket_id, attachment_id=attachment.attachment_id)
    )
    assert (body.content_type, body.data) == ("application/octet-stream", content)
    listed = await agent.ListAttachments(service_pb.ListAttachmentsRequest(ticket_id=made.ticket_id))
    assert list(listed.attachments) == [attachment]
    assert (await read(desk, made.ticket_id)).etag == "2"
    # One object, where the design says.
    (stored,) = [path for path in desk.objects.rglob("*") if path.is_file()]
    assert stored.relative_to(desk.objects).as_posix() == f"attachments/{made.ticket_id}/{attachment.attachment_id}"
    refused = await refusal(
        agent.CreateAttachment(
            service_pb.CreateAttachmentRequest(
                ticket_id=made.ticket_id, filename="b", media_type="text/plain", content=b"b", request_id="f"
            )
        )
    )
    assert refused.reason == "REQUEST_ID_REUSED"
    # A file of another ticket is not there.
    other = await desk.ticket()
    refused = await refusal(
        agent.DownloadAttachment(
            service_pb.DownloadAttachmentRequest(ticket_id=other.ticket_id, attachment_id=attachment.attachment_id)
        )
    )
    assert (refused.code, refused.reason) == (code_pb2.NOT_FOUND, "ATTACHMENT_NOT_FOUND")
