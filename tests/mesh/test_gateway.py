"""The gateway through the wire: sessions and their tokens, messages that are written once, streams without a gap."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.conversation.v1 import conversation_service_pb2 as service
from groundline.conversation.v1 import conversation_service_pb2_grpc as rpc
from meshkit import testing
from meshkit.errors import RemoteError, from_rpc_error
from meshkit.ids import new_id

from .scripted import Customer, Talk, open_talk

QUESTION = "How do I reset the router to factory settings?"


async def _refusal(call: Any) -> RemoteError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def _as(talk: Talk, role: str | None) -> rpc.ConversationServiceStub:
    channel = await talk.stack.enter_async_context(talk.gateway.channel(role=role))
    return rpc.ConversationServiceStub(channel)


async def test_fifty_parallel_posts_with_one_request_id_write_one_message(talk: Talk) -> None:
    customer = await talk.open()
    receipts = await asyncio.gather(*(customer.says(QUESTION, "r-1") for _ in range(50)))
    assert len({(each.message_id, each.sequence) for each in receipts}) == 1
    assert len(await customer.chain()) == 1
    assert await talk.commands("advance_session") == [f"advance:{receipts[0].message_id}"]


async def test_a_request_id_with_another_body_is_refused_and_writes_nothing(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says(QUESTION, "r-1")
    refused = await _refusal(customer.says("Something else", "r-1"))
    assert refused.reason == "REQUEST_ID_REUSED"
    assert len(await customer.chain()) == 1


async def test_a_message_and_its_command_are_one_statement(talk: Talk) -> None:
    """The command in the outbox is the contract's, whoever wrote its JSON."""
    from google.protobuf import json_format

    from groundline.commands.v1 import commands_pb2

    customer = await talk.open()
    receipt = await customer.says(QUESTION)
    payload = await talk.sql.fetchval("select payload_json::text from messaging.outbox")
    command = json_format.Parse(payload, commands_pb2.AdvanceSession())
    assert (command.session_id, command.message_id) == (customer.session_id, receipt.message_id)


async def test_the_same_creation_gives_the_same_session_until_it_is_used(talk: Talk) -> None:
    stub = await _as(talk, None)
    request = service.CreateSessionRequest(channel="web", request_id="random-6f1d")
    first, again = await stub.CreateSession(request), await stub.CreateSession(request)
    assert first.session.session_id == again.session.session_id
    other = service.CreateSessionRequest(channel="email", request_id="random-6f1d")
    assert (await _refusal(stub.CreateSession(other))).reason == "REQUEST_ID_REUSED"
    credentials = (("authorization", f"Bearer {first.session_token}"),)
    await Customer(stub, first.session.session_id, credentials).says(QUESTION)
    # Somebody without a name must not get into a conversation by guessing how it was opened.
    assert (await _refusal(stub.CreateSession(request))).reason == "REQUEST_ID_REUSED"


async def test_a_customers_claimed_name_is_no_way_into_a_namesakes_conversation(talk: Talk) -> None:
    """Who a session's token says its holder is, its holder has said."""
    stub = await _as(talk, None)
    claims = service.CreateSessionRequest(channel="web", customer_id="c-1")
    theirs, mine = await stub.CreateSession(claims), await stub.CreateSession(claims)
    second = service.CreateSessionRequest(channel="web", request_id="second-8c02")
    made = await stub.CreateSession(second, metadata=(("authorization", f"Bearer {theirs.session_token}"),))
    await Customer(stub, made.session.session_id, (("authorization", f"Bearer {made.session_token}"),)).says(QUESTION)
    again = stub.CreateSession(second, metadata=(("authorization", f"Bearer {mine.session_token}"),))
    assert (await _refusal(again)).reason == "REQUEST_ID_REUSED"


async def test_an_adapter_vouches_and_a_browser_does_not(talk: Talk) -> None:
    request = service.CreateSessionRequest(channel="email", customer_id="c-1", customer_groups=["group:enterprise"])
    assert (await _refusal((await _as(talk, None)).CreateSession(request))).reason == "GROUPS_NOT_VOUCHED"
    made = await (await _as(talk, "adapter")).CreateSession(request)
    assert made.session.customer_verified
    browser = await (await _as(talk, None)).CreateSession(
        service.CreateSessionRequest(channel="web", customer_id="c-1")
    )
    assert not browser.session.customer_verified


async def test_an_unknown_knowledge_base_is_said(talk: Talk) -> None:
    stub = await _as(talk, None)
    refused = await _refusal(stub.CreateSession(service.CreateSessionRequest(channel="web", knowledge_base="nowhere")))
    assert (refused.reason, refused.metadata) == ("KNOWLEDGE_BASE_NOT_FOUND", {"knowledge_base": "nowhere"})


async def test_a_token_opens_its_own_session_only(talk: Talk) -> None:
    mine, theirs = await talk.open(), await talk.open()
    intruder = Customer(mine.stub, theirs.session_id, mine.credentials)
    assert (await _refusal(intruder.says(QUESTION))).reason == "OUT_OF_SCOPE"
    assert (await _refusal(intruder.chain())).reason == "OUT_OF_SCOPE"
    nowhere = Customer(mine.stub, str(new_id()), mine.credentials)
    # Nothing tells a session that exists from one that doesn't.
    assert (await _refusal(nowhere.chain())).reason == "OUT_OF_SCOPE"
    assert await theirs.chain() == []


async def test_the_cookie_is_bound_to_the_session_and_hidden_from_scripts(talk: Talk) -> None:
    stub = await _as(talk, None)
    call = stub.CreateSession(service.CreateSessionRequest(channel="web"))
    made = await call
    cookie = dict(await call.initial_metadata())["set-cookie"]
    assert f"Path=/v1/sessions/{made.session.session_id}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    by_cookie = (("cookie", f"theme=dark; {cookie.partition(';')[0]}"),)
    assert await Customer(stub, made.session.session_id, by_cookie).chain() == []


async def _frames(customer: Customer, count: int, last_event_id: str = "") -> list[dict[str, str]]:
    """The first `count` events of the stream, as a browser would read them."""
    metadata = (*customer.credentials, *((("last-event-id", last_event_id),) if last_event_id else ()))
    call = customer.stub.StreamSession(service.StreamSessionRequest(session_id=customer.session_id), metadata=metadata)
    found: list[dict[str, str]] = []
    async for piece in call:
        assert piece.content_type == "text/event-stream; charset=utf-8"
        fields = dict(line.partition(": ")[::2] for line in piece.data.decode().splitlines() if line)
        if "event" in fields:
            found.append(fields)
        if len(found) == count:
            break
    call.cancel()
    return found


async def test_a_stream_shows_the_chain_and_resumes_without_a_gap(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says("first")
    await customer.says(QUESTION)
    await talk.advance(customer)
    events = await _frames(customer, 4)
    assert [each["event"] for each in events] == ["message", "message", "message", "session"]
    assert json.loads(events[2]["data"])["role"] == "MESSAGE_ROLE_ASSISTANT"
    assert "id" not in events[3]
    resumed = await _frames(customer, 2, last_event_id=events[0]["id"])
    assert [each.get("id") for each in resumed] == [events[1]["id"], events[2]["id"]]


async def test_a_reader_sees_each_message_once_while_they_come_in(talk: Talk) -> None:
    customer = await talk.open()
    reading = asyncio.create_task(_frames(customer, 31))
    for number in range(30):
        await customer.says(f"message {number}")
    events = await asyncio.wait_for(reading, 20)
    said = [json.loads(each["data"])["content"] for each in events if each["event"] == "message"]
    assert said == [f"message {number}" for number in range(30)]


async def test_the_answer_and_its_stages_reach_a_reader(database_url: str, keys: testing.Keys, tmp_path: Path) -> None:
    async with open_talk(database_url, keys, tmp_path, orchestrator_target="orchestrator") as talk:
        customer = await talk.open()
        stub = await _as(talk, "agent")
        call = stub.WatchSession(service.WatchSessionRequest(session_id=customer.session_id))
        kinds, stages = [], []
        # The gateway must be watching progress before there is any.
        await testing.eventually(lambda: _watching(talk))
        await customer.says(QUESTION)
        async for response in call:
            update = response.update
            kinds.append(update.WhichOneof("update"))
            if kinds[-1] == "progress":
                stages.append(update.progress.stage)
            if kinds[-1] == "message" and update.message.role == pb.MESSAGE_ROLE_ASSISTANT:
                break
        call.cancel()
        assert stages[:4] == [
            pb.TURN_STAGE_UNDERSTANDING,
            pb.TURN_STAGE_RETRIEVING,
            pb.TURN_STAGE_DRAFTING,
            pb.TURN_STAGE_CHECKING,
        ]


async def _watching(talk: Talk) -> bool:
    (service,) = [each for each in talk.orchestrator_parts if hasattr(each, "servicer")]
    return bool(service.servicer._progress._watchers)


async def test_streams_are_bounded(database_url: str, keys: testing.Keys, tmp_path: Path) -> None:
    async with open_talk(database_url, keys, tmp_path, max_streams=1) as talk:
        customer = await talk.open()
        request = service.WatchSessionRequest(session_id=customer.session_id)
        first = customer.stub.WatchSession(request, metadata=customer.credentials)
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await customer.stub.WatchSession(request, metadata=customer.credentials).read()
        refused = from_rpc_error(caught.value)
        assert (refused.reason, refused.retry_after_s) == ("OVERLOADED", 2.0)
        first.cancel()


async def test_answers_are_rated_and_questions_are_not(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    question, answer = await customer.chain()

    def rate(message_id: str, rating: Any) -> Any:
        request = service.RateMessageRequest(session_id=customer.session_id, message_id=message_id, rating=rating)
        return customer.stub.RateMessage(request, metadata=customer.credentials)

    await rate(answer.message_id, pb.RATING_NOT_HELPFUL)
    assert (await rate(answer.message_id, pb.RATING_HELPFUL)).message.rating == pb.RATING_HELPFUL
    assert (await customer.chain())[1].rating == pb.RATING_HELPFUL
    assert (await _refusal(rate(question.message_id, pb.RATING_HELPFUL))).reason == "MESSAGE_NOT_RATEABLE"
    assert (await _refusal(rate(str(new_id()), pb.RATING_HELPFUL))).reason == "MESSAGE_NOT_FOUND"


async def test_the_chain_has_pages(talk: Talk) -> None:
    customer = await talk.open()
    for number in range(7):
        await customer.says(str(number))
    said, token = [], ""
    while True:
        page = await customer.stub.ListMessages(
            service.ListMessagesRequest(session_id=customer.session_id, page_size=3, page_token=token),
            metadata=customer.credentials,
        )
        said += [each.content for each in page.messages]
        token = page.next_page_token
        if not token:
            break
    assert said == [str(number) for number in range(7)]
    other = await talk.open()
    request = service.ListMessagesRequest(session_id=customer.session_id, page_token="bm9uc2Vuc2U")
    assert (await _refusal(other.stub.ListMessages(request, metadata=customer.credentials))).reason == (
        "PAGE_TOKEN_INVALID"
    )


async def test_a_gateway_that_drains_lets_its_readers_go_at_once(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says("first")
    call = customer.stub.WatchSession(
        service.WatchSessionRequest(session_id=customer.session_id), metadata=customer.credentials
    )
    assert (await call.read()).update.event_id == "1"
    # Far less than the grace: the stream ends by itself, as a success that the reader resumes from.
    async with asyncio.timeout(3):
        await talk.gateway.server.stop(30)
        while await call.read() is not grpc.aio.EOF:
            pass
    assert await call.code() == grpc.StatusCode.OK


async def test_whoever_asks_the_front_door_learns_of_the_whole_house(talk: Talk) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    channel = await talk.stack.enter_async_context(talk.gateway.channel())
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    response = await call.read()
    packages = {
        each.name.split(".")[1] for each in response.list_services_response.service if "groundline" in each.name
    }
    assert {
        "conversation",
        "orchestration",
        "retrieval",
        "knowledge",
        "evaluation",
        "ticketing",
        "commands",
    } <= packages
