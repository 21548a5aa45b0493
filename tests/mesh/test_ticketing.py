"""Tickets through the wire: made once, changed by the rules, each change with its command."""

import asyncio
from datetime import UTC
from itertools import product
from typing import Any

from google.rpc import code_pb2

from groundline.conversation.v1 import conversation_pb2 as conversation
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as reasons
from groundline.retrieval.v1 import evidence_pb2 as retrieval
from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from meshkit import testing
from meshkit.ids import new_id

from .desk import Desk, change, comment, escalation, read, refusal


async def test_a_ticket_comes_back_as_it_was_made(desk: Desk) -> None:
    entry = pb.TranscriptEntry(message_id=str(new_id()), role=conversation.MESSAGE_ROLE_CUSTOMER, content="Höhe? 🧭")
    entry.created_at.GetCurrentTime()
    pack = retrieval.EvidencePack(evidence_pack_id=str(new_id()), query="height", knowledge_base="default")
    pack.evidence.add(
        chunk_id=str(new_id()), doc_id=str(new_id()), text="8 m", text_sha256="0" * 64, score=0.25, title="Range"
    )
    draft = evaluation.Draft(model="extractive-1", claims=[evaluation.Claim(text="8 m, perhaps")])
    verdict = evaluation.Verdict(
        decision=evaluation.DECISION_FAIL,
        reason=reasons.REASON_CODE_INSUFFICIENT_COVERAGE,
        confidence=0.375,
        signals=[evaluation.Signal(name="coverage", value=0.5, threshold=0.75)],
    )
    made = await desk.ticket(
        escalation_reason=reasons.REASON_CODE_INSUFFICIENT_COVERAGE,
        transcript=[entry],
        evidence_pack=pack,
        refused_draft=draft,
        verdict=verdict,
        summary="asks for a height",
        tags=["height", "height", "node"],
        customer_id="cust-7",
        channel="web",
        knowledge_base="default",
    )
    shown = await read(desk, made.ticket_id)
    assert list(shown.transcript) == [entry]
    assert (shown.evidence_pack, shown.refused_draft, shown.verdict) == (pack, draft, verdict)
    assert (shown.status, shown.priority, shown.queue) == (pb.TICKET_STATUS_OPEN, pb.TICKET_PRIORITY_NORMAL, "general")
    assert shown.ai_confidence == 0.375
    assert list(shown.tags) == ["height", "node"]
    assert (shown.customer_id, shown.channel, shown.etag) == ("cust-7", "web", "1")
    assert not shown.HasField("resolved_at")
    # The refused draft is for GetTicket only, and a list carries nothing heavy.
    assert not made.HasField("refused_draft")
    assert made.evidence_pack == pack
    (listed,) = (await desk.stub("agent").ListTickets(service_pb.ListTicketsRequest())).tickets
    assert listed.summary == "asks for a height"
    assert not listed.transcript
    assert not any(listed.HasField(name) for name in ("evidence_pack", "refused_draft", "verdict"))
    assert await desk.commands() == []


async def test_twenty_parallel_creates_with_one_key_make_one_ticket(desk: Desk) -> None:
    request = escalation(await desk.session(), request_id="ticket:s:e", summary="once")
    stub = desk.stub("service", "worker-delivery")
    answers = await asyncio.gather(*(stub.CreateTicket(request) for _ in range(20)))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert await desk.count("ticketing.tickets") == 1


async def test_a_key_belongs_to_one_caller_and_one_body(desk: Desk) -> None:
    request = escalation(await desk.session(), request_id="k")
    stub = desk.stub("service", "worker-delivery")
    first = (await stub.CreateTicket(request)).ticket
    other_body = escalation(request.session_id, request_id="k", summary="another")
    refused = await refusal(stub.CreateTicket(other_body))
    assert (refused.code, refused.reason) == (code_pb2.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert refused.metadata == {"request_id": "k"}
    # Another caller's same key is another key: what stands in the way is the open ticket.
    refused = await refusal(desk.stub("service", "other").CreateTicket(request))
    assert (refused.reason, refused.metadata["ticket_id"]) == ("TICKET_ALREADY_OPEN", first.ticket_id)
    # Without a key nothing is repeated, only refused.
    refused = await refusal(stub.CreateTicket(escalation(request.session_id)))
    assert refused.metadata == {"session_id": request.session_id, "ticket_id": first.ticket_id}
    # A repeated call is answered even after the conversation has moved on to another ticket.
    await desk.force_status(first.ticket_id, "resolved")
    await desk.ticket(session_id=request.session_id)
    assert (await stub.CreateTicket(request)).ticket.ticket_id == first.ticket_id


async def test_rivals_for_one_conversation_make_one_ticket(desk: Desk) -> None:
    session_id = await desk.session()
    stub = desk.stub("service", "worker-delivery")
    calls = [stub.CreateTicket(escalation(session_id, request_id=f"k{n}")) for n in range(10)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert len(testing.statuses(answers)) == 9
    assert await desk.count("ticketing.tickets") == 1


async def test_an_agent_takes_a_conversation_over(desk: Desk) -> None:
    session_id = await desk.session()
    request = service_pb.CreateTicketRequest(session_id=session_id, customer_id="forged", request_id="t")
    made = (await desk.stub("agent").CreateTicket(request)).ticket
    assert (made.escalation_reason, made.customer_id) == (reasons.REASON_CODE_AGENT_TAKEOVER, "")
    assert (await desk.stub("agent").CreateTicket(request)).ticket == made
    (command,) = await desk.commands()
    assert command["type"] == "take_over_session"
    opened_at = await desk.db.fetchval("select opened_at from ticketing.tickets where opened_by is not null")
    assert command["idempotency_key"] == f"take-over:{made.ticket_id}:{opened_at.isoformat()}"
    assert str(command["ordering_key"]) == session_id
    payload = {key: command["payload_json"][key] for key in ("session_id", "ticket_id")}
    assert payload == {"session_id": session_id, "ticket_id": made.ticket_id}
    # Nothing of a refused takeover is left.
    await refusal(desk.stub("agent", "bob").CreateTicket(service_pb.CreateTicketRequest(session_id=session_id)))
    assert len(await desk.commands()) == 1


async def test_unknown_things_are_named(desk: Desk) -> None:
    unknown, agent = str(new_id()), desk.stub("agent")
    refused = await refusal(agent.CreateTicket(service_pb.CreateTicketRequest(session_id=unknown)))
    assert (refused.code, refused.reason) == (code_pb2.NOT_FOUND, "SESSION_NOT_FOUND")
    assert refused.metadata == {"session_id": unknown}
    for call in (
        agent.GetTicket(service_pb.GetTicketRequest(ticket_id=unknown)),
        agent.UpdateTicket(change(unknown, queue="a")),
        agent.CreateComment(comment(unknown)),
        agent.ListComments(service_pb.ListCommentsRequest(ticket_id=unknown)),
        agent.ListAttachments(service_pb.ListAttachmentsRequest(ticket_id=unknown)),
        agent.DownloadAttachment(service_pb.DownloadAttachmentRequest(ticket_id=unknown, attachment_id=unknown)),
        agent.CreateAttachment(
            service_pb.CreateAttachmentRequest(ticket_id=unknown, filename="a", media_type="text/plain", content=b"a")
        ),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason, refused.metadata) == (
            code_pb2.NOT_FOUND,
            "TICKET_NOT_FOUND",
            {"ticket_id": unknown},
        )


STATUSES = {
    "open": pb.TICKET_STATUS_OPEN,
    "pending": pb.TICKET_STATUS_PENDING,
    "resolved": pb.TICKET_STATUS_RESOLVED,
    "closed": pb.TICKET_STATUS_CLOSED,
}
ALLOWED = {
    ("open", "pending"),
    ("open", "resolved"),
    ("pending", "open"),
    ("pending", "resolved"),
    ("resolved", "open"),
    ("resolved", "closed"),
}


async def test_every_pair_of_statuses(desk: Desk) -> None:
    agent = desk.stub("agent")
    for current, wanted in product(STATUSES, STATUSES):
        made = await desk.ticket()
        await desk.force_status(made.ticket_id, current)
        before = len(await desk.commands())
        request = change(made.ticket_id, status=STATUSES[wanted], resolution="done")
        if current == "closed" or (current != wanted and (current, wanted) not in ALLOWED):
            refused = await refusal(agent.UpdateTicket(request))
            expected = "TICKET_CLOSED" if current == "closed" else "STATUS_TRANSITION_INVALID"
            assert (refused.code, refused.reason) == (code_pb2.FAILED_PRECONDITION, expected), (current, wanted)
            assert (await read(desk, made.ticket_id)).etag == made.etag
            continue
        changed = (await agent.UpdateTicket(request)).ticket
        assert changed.status == STATUSES[wanted], (current, wanted)
        assert changed.HasField("resolved_at") == (wanted in ("resolved", "closed"))
        told = [each["type"] for each in (await desk.commands())[before:]]
        follows = {("resolved", "open"): ["take_over_session"]}
        resolves = ["resolve_session"] if wanted == "resolved" and current != "resolved" else []
        assert told == follows.get((current, wanted), resolves), (current, wanted)


async def test_resolving_resolves_the_conversation_unless_it_was_closed_first(desk: Desk) -> None:
    made = await desk.ticket()
    changed = (
        await desk.stub("agent").UpdateTicket(
            change(made.ticket_id, status=pb.TICKET_STATUS_RESOLVED, resolution="restarted the Hub")
        )
    ).ticket
    (command,) = await desk.commands()
    assert command["type"] == "resolve_session"
    assert command["idempotency_key"] == (
        f"resolve-session:{made.ticket_id}:{changed.resolved_at.ToDatetime(UTC).isoformat()}"
    )
    assert command["payload_json"] == {
        "session_id": made.session_id,
        "ticket_id": made.ticket_id,
        "resolved_by": "ada",
        "resolved_at": changed.resolved_at.ToJsonString(),
    }
    by_service = await desk.ticket()
    resolved = change(by_service.ticket_id, status=pb.TICKET_STATUS_RESOLVED)
    await desk.stub("service", "worker-delivery").UpdateTicket(resolved)
    assert len(await desk.commands()) == 1


async def test_resolved_needs_an_answer(desk: Desk) -> None:
    made, agent = await desk.ticket(), desk.stub("agent")
    resolved = change(made.ticket_id, status=pb.TICKET_STATUS_RESOLVED)
    await agent.CreateComment(comment(made.ticket_id, visibility=pb.COMMENT_VISIBILITY_INTERNAL))
    for request in (resolved, change(made.ticket_id, status=pb.TICKET_STATUS_RESOLVED, resolution=" \n")):
        refused = await refusal(agent.UpdateTicket(request))
        assert (refused.code, refused.reason) == (code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert [each.field for each in refused.violations] == ["ticket.resolution"]
    assert await desk.commands() == []
    await agent.CreateComment(comment(made.ticket_id))
    assert (await agent.UpdateTicket(resolved)).ticket.status == pb.TICKET_STATUS_RESOLVED


async def test_reopening_needs_the_conversation_to_have_no_other_open_ticket(desk: Desk) -> None:
    first = await desk.ticket()
    await desk.force_status(first.ticket_id, "resolved")
    second = await desk.ticket(session_id=first.session_id)
    reopen = change(first.ticket_id, status=pb.TICKET_STATUS_OPEN)
    refused = await refusal(desk.stub("agent").UpdateTicket(reopen))
    assert (refused.reason, refused.metadata["ticket_id"]) == ("TICKET_ALREADY_OPEN", second.ticket_id)
    await desk.force_status(second.ticket_id, "resolved")
    reopened = (await desk.stub("agent").UpdateTicket(reopen)).ticket
    assert not reopened.HasField("resolved_at")


async def test_the_etag_guards_what_was_read(desk: Desk) -> None:
    made, agent = await desk.ticket(), desk.stub("agent")
    changed = (await agent.UpdateTicket(change(made.ticket_id, queue="billing", etag=made.etag))).ticket
    assert changed.etag != made.etag
    assert changed.updated_at.ToNanoseconds() > made.updated_at.ToNanoseconds()
    refused = await refusal(agent.UpdateTicket(change(made.ticket_id, queue="other", etag=made.etag)))
    assert (refused.code, refused.reason) == (code_pb2.ABORTED, "ETAG_MISMATCH")
    assert refused.metadata == {"etag": changed.etag}
    # What is as wanted already is not written.
    assert (await agent.UpdateTicket(change(made.ticket_id, queue="billing"))).ticket == changed
    # Of twenty who read the same, one writes.
    calls = [agent.UpdateTicket(change(made.ticket_id, tags=[f"t{n}"], etag=changed.etag)) for n in range(20)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert len(testing.statuses(answers)) == 19


async def test_the_mask_says_what_is_taken(desk: Desk) -> None:
    made, agent = await desk.ticket(tags=["a"], queue="billing"), desk.stub("agent")
    changed = (await agent.UpdateTicket(change(made.ticket_id, "tags", priority=pb.TICKET_PRIORITY_HIGH))).ticket
    assert (list(changed.tags), changed.priority) == ([], pb.TICKET_PRIORITY_NORMAL)
    refused = await refusal(agent.UpdateTicket(change(made.ticket_id, "queue", "summary", summary="mine")))
    assert (refused.code, refused.reason, refused.metadata) == (
        code_pb2.INVALID_ARGUMENT,
        "FIELD_NOT_UPDATABLE",
        {"path": "summary"},
    )
    assert (await read(desk, made.ticket_id)).queue == "billing"


async def test_agents_assign_themselves_and_supervisors_anybody(desk: Desk) -> None:
    made = await desk.ticket()
    refused = await refusal(desk.stub("agent").UpdateTicket(change(made.ticket_id, assigned_to="bob")))
    assert (refused.code, refused.reason) == (code_pb2.PERMISSION_DENIED, "ASSIGNMENT_NOT_ALLOWED")
    assert refused.metadata == {"assigned_to": "bob"}
    for role, subject, assignee in (("agent", "ada", "ada"), ("supervisor", "sue", "bob"), ("admin", "root", "ada")):
        changed = await desk.stub(role, subject).UpdateTicket(change(made.ticket_id, assigned_to=assignee))
        assert changed.ticket.assigned_to == assignee
    released = await desk.stub("agent").UpdateTicket(change(made.ticket_id, "assigned_to"))
    assert released.ticket.assigned_to == ""


async def test_a_walk_through_the_pages_misses_nothing_while_tickets_are_made(desk: Desk) -> None:
    agent = desk.stub("agent")
    standing = {(await desk.ticket(queue="walk")).ticket_id for _ in range(11)}
    seen: list[str] = []
    token = ""
    while True:
        request = service_pb.ListTicketsRequest(page_size=3, page_token=token, queue="walk")
        page = await agent.ListTickets(request)
        assert len(page.tickets) <= 3
        seen.extend(each.ticket_id for each in page.tickets)
        await desk.ticket(queue="walk")
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == standing
    changed = [
        each.updated_at.ToNanoseconds() for each in (await agent.ListTickets(service_pb.ListTicketsRequest())).tickets
    ]
    assert changed == sorted(changed, reverse=True)


async def test_a_page_token_belongs_to_its_list(desk: Desk) -> None:
    agent, made = desk.stub("agent"), [await desk.ticket() for _ in range(2)]
    token = (await agent.ListTickets(service_pb.ListTicketsRequest(page_size=1))).next_page_token
    assert token
    for request in (
        service_pb.ListTicketsRequest(page_size=1, page_token=token, queue="general"),
        service_pb.ListTicketsRequest(page_size=1, page_token=token[:-2]),
        service_pb.ListTicketsRequest(page_size=1, page_token="nonsense"),
    ):
        refused = await refusal(agent.ListTickets(request))
        assert (refused.code, refused.reason) == (code_pb2.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    foreign = service_pb.ListCommentsRequest(ticket_id=made[0].ticket_id, page_token=token)
    assert (await refusal(agent.ListComments(foreign))).reason == "PAGE_TOKEN_INVALID"


async def test_filters(desk: Desk) -> None:
    agent = desk.stub("agent")
    mine, other = await desk.ticket(queue="a"), await desk.ticket(queue="b")
    await agent.UpdateTicket(change(mine.ticket_id, assigned_to="ada"))
    await desk.force_status(other.ticket_id, "pending")
    for filters, expected in (
        ({"status": pb.TICKET_STATUS_PENDING}, [other]),
        ({"status": pb.TICKET_STATUS_CLOSED}, []),
        ({"assigned_to": "ada"}, [mine]),
        ({"queue": "b"}, [other]),
        ({"session_id": mine.session_id}, [mine]),
        ({"queue": "a", "status": pb.TICKET_STATUS_OPEN, "assigned_to": "ada"}, [mine]),
        ({"queue": "a", "status": pb.TICKET_STATUS_PENDING}, []),
    ):
        found = (await agent.ListTickets(service_pb.ListTicketsRequest(**filters))).tickets
        assert [each.ticket_id for each in found] == [each.ticket_id for each in expected], filters


async def test_only_the_companys_people_and_services_come_in(desk: Desk) -> None:
    made = await desk.ticket()
    methods: dict[str, Any] = {
        "CreateTicket": service_pb.CreateTicketRequest(session_id=made.session_id),
        "GetTicket": service_pb.GetTicketRequest(ticket_id=made.ticket_id),
        "ListTickets": service_pb.ListTicketsRequest(),
        "UpdateTicket": change(made.ticket_id, queue="x"),
        "CreateComment": comment(made.ticket_id),
        "ListComments": service_pb.ListCommentsRequest(ticket_id=made.ticket_id),
        "CreateAttachment": service_pb.CreateAttachmentRequest(
            ticket_id=made.ticket_id, filename="a", media_type="text/plain", content=b"a"
        ),
        "ListAttachments": service_pb.ListAttachmentsRequest(ticket_id=made.ticket_id),
        "DownloadAttachment": service_pb.DownloadAttachmentRequest(
            ticket_id=made.ticket_id, attachment_id=made.ticket_id
        ),
    }
    alone = await refusal(desk.stub("agent").PollTicketChanges(service_pb.PollTicketChangesRequest()))
    assert (alone.code, alone.reason) == (code_pb2.PERMISSION_DENIED, "ROLE_NOT_ALLOWED"), "the mesh's own"
    methods["PollTicketChanges"] = service_pb.PollTicketChangesRequest()
    assert set(methods) == {each.name for each in service_pb.DESCRIPTOR.services_by_name["TicketingService"].methods}
    for name, request in methods.items():
        for role in ("customer", "adapter"):
            refused = await refusal(getattr(desk.stub(role), name)(request))
            assert (refused.code, refused.reason) == (code_pb2.PERMISSION_DENIED, "ROLE_NOT_ALLOWED"), (name, role)
        refused = await refusal(getattr(desk.anonymous(), name)(request))
        assert (refused.code, refused.reason) == (code_pb2.UNAUTHENTICATED, "CREDENTIAL_MISSING"), name
    assert (await read(desk, made.ticket_id)).etag == made.etag
    assert await desk.count("ticketing.ticket_comments") == await desk.count("ticketing.attachments") == 0
