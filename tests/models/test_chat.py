"""Chat against a server that behaves, and one that doesn't: each fault has its error, in time and without a secret."""

import asyncio
import json
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import structlog
from prometheus_client import REGISTRY
from pydantic import SecretStr

from meshkit.models.chat import Message, TokenUsage
from meshkit.models.endpoint import LONGEST_PAUSE_S, Endpoint, retry_after_s
from meshkit.models.errors import ChatError, ChatMalformed, ChatRateLimited, ChatTimeout, ChatUnavailable
from meshkit.models.openai_chat import OpenAIChat
from meshkit.models.structured import SpentInVain, complete_json
from tests.models.scripted_server import HangUp, Reply, answer, error, json_reply

KEY = "sk-do-not-show-this-key"
ASK = [Message("system", "Be brief."), Message("user", "What time is it?")]
SCHEMA = {
    "type": "object",
    "properties": {"hour": {"type": "integer", "minimum": 0, "maximum": 23}},
    "required": ["hour"],
    "additionalProperties": False,
}


@pytest.fixture
async def chat(server):
    chat = OpenAIChat(Endpoint(server.base_url, SecretStr(KEY)), "scripted-model")
    yield chat
    await chat.close()


def ask(chat, **options):
    return chat.complete(ASK, **{"max_tokens": 50, "deadline_s": 5, **options})


def metric(name, **labels):
    return REGISTRY.get_sample_value(name, {"model": "scripted-model", **labels}) or 0


async def test_an_answer_with_its_usage(server, chat):
    before = metric("groundline_chat_tokens_total", kind="prompt")
    server.chat.append(answer("Noon."))
    completion = await ask(chat)
    assert (completion.text, completion.parsed, completion.model) == ("Noon.", None, "scripted-model")
    assert completion.usage == TokenUsage(11, 7)
    assert 0 < completion.latency_s < 5
    assert metric("groundline_chat_tokens_total", kind="prompt") == before + 11
    sent = server.requests[0]
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.body == {
        "model": "scripted-model",
        "max_tokens": 50,
        "temperature": 0,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What time is it?"}],
    }


@pytest.mark.parametrize("usage", [None, (-1, 3), ("x", 1), (True, 1), (10**9, 1)])
async def test_usage_that_is_not_stated_is_estimated(server, chat, usage):
    reply = answer("Noon.", usage=None)
    if usage is not None:
        body = json.loads(reply.body) | {"usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]}}
        reply = json_reply(body)
    server.chat.append(reply)
    completion = await ask(chat)
    assert completion.usage.estimated
    assert 0 < completion.usage.total < 100


async def test_a_cut_answer_says_so(server, chat):
    server.chat.append(answer('{"hour": 1', finish="length"))
    completion = await ask(chat, schema=SCHEMA)
    assert completion.truncated
    assert completion.parsed is None


MISBEHAVIOUR = {
    "rate limited": (Reply(status=429, headers={"Retry-After": "7"}), ChatRateLimited, None),
    "internal error": (error(500, f"boom {KEY}"), ChatUnavailable, "server_error"),
    "overloaded": (error(503), ChatUnavailable, "server_error"),
    "unauthorized": (error(401, f"Incorrect API key provided: {KEY}"), ChatUnavailable, "unauthorized"),
    "not found": (error(404), ChatUnavailable, "not_found"),
    "bad request": (error(400, "context length exceeded"), ChatUnavailable, "bad_request"),
    "redirect elsewhere": (Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}), ChatUnavailable, None),
    "garbage": (Reply(b"<html>It works!</html>"), ChatMalformed, "not_json"),
    "garbage as a page": (Reply(b"hello", headers={"Content-Type": "text/html"}), ChatMalformed, "not_json"),
    "not UTF-8": (Reply(b'{"choices": "\xff\xfe"}'), ChatMalformed, "not_json"),
    "NaN": (Reply(b'{"choices": NaN}'), ChatMalformed, "not_json"),
    "nested without end": (Reply(b"[" * 200_000), ChatMalformed, "not_json"),
    "nothing": (Reply(b""), ChatMalformed, "empty"),
    "a list": (Reply(b"[]"), ChatMalformed, "not_a_completion"),
    "another object": (Reply(b"{}"), ChatMalformed, "not_a_completion"),
    "no choices": (json_reply({"choices": []}), ChatMalformed, "not_a_completion"),
    "choices of another kind": (json_reply({"choices": [[1]]}), ChatMalformed, "not_a_completion"),
    "content of another kind": (answer(["x"]), ChatMalformed, "not_a_completion"),
    "no content": (answer(None), ChatMalformed, "empty"),
    "blank content": (answer(" \n"), ChatMalformed, "empty"),
    "cut before its first word": (answer("", finish="length"), ChatMalformed, "truncated"),
    "a refusal": (answer(None, refusal="I can't help with that."), ChatMalformed, "refused"),
    "filtered": (answer("x", finish="content_filter"), ChatMalformed, "refused"),
    "truncated body": (Reply(answer("Noon.").body, send_only=20), ChatUnavailable, "connection"),
    "hangs up": (HangUp(), ChatUnavailable, "connection"),
    "10 MB": (answer("x" * 10_000_000), ChatUnavailable, "response_too_large"),
    "10 MB of error": (error(500, "x" * 10_000_000), ChatUnavailable, "response_too_large"),
    "chunks without end": (Reply(b"x" * 65536, chunked_without_end=True), ChatUnavailable, "response_too_large"),
    "compressed": (Reply(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), ChatUnavailable, "response_too_large"),
    "stall": (Reply(b"{}", stall=True), ChatTimeout, None),
    "a byte at a time": (Reply(answer("Noon.").body, byte_every_s=0.05), ChatTimeout, None),
}  # fmt: skip


@pytest.mark.parametrize("fault", MISBEHAVIOUR)
async def test_each_fault_has_its_error(server, chat, fault):
    reply, kind, reason = MISBEHAVIOUR[fault]
    before = metric("groundline_chat_calls_total", outcome=kind.outcome)
    server.chat.append(reply)
    started = time.monotonic()
    with structlog.testing.capture_logs() as logs, pytest.raises(ChatError) as raised:
        await ask(chat, deadline_s=0.6 if kind is ChatTimeout else 5)
    assert type(raised.value) is kind
    if reason:
        assert raised.value.reason == reason
    assert time.monotonic() - started < 4
    assert len(server.requests) == 1, "nothing is retried behind the caller's back"
    assert metric("groundline_chat_calls_total", outcome=kind.outcome) == before + 1
    shown = "".join(traceback.format_exception(raised.value)) + repr(vars(raised.value)) + repr(logs)
    assert KEY not in shown
    assert logs[0]["event"] == "chat_failed"
    # And it has left nothing behind.
    assert (await ask(chat)).text == "ok"


async def test_a_slow_server_is_let_go(server, chat):
    server.chat.append(Reply(b"{}", stall=True))
    with pytest.raises(ChatTimeout):
        await ask(chat, deadline_s=0.2)
    await asyncio.wait_for(server.hung_up_on.wait(), 5)


async def test_nobody_listens():
    chat = OpenAIChat(Endpoint("http://127.0.0.1:9/v1"), "scripted-model")
    with pytest.raises(ChatUnavailable, match="connection"):
        await ask(chat)
    await chat.close()


async def test_a_pause_is_passed_on(server, chat):
    server.chat.append(MISBEHAVIOUR["rate limited"][0])
    with pytest.raises(ChatRateLimited) as raised:
        await ask(chat)
    assert raised.value.retry_after_s == 7


def test_pauses_are_read_with_care():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < retry_after_s(soon) <= 30
    for header, expected in [
        ("1.5", 1.5),
        ("-3", 0),
        ("1e9", LONGEST_PAUSE_S),
        ("nan", None),
        ("soon", None),
        ("", None),
    ]:
        assert retry_after_s(header) == expected


async def test_calls_are_bounded_and_waiting_counts(server):
    endpoint = Endpoint(server.base_url, SecretStr(KEY), max_concurrent=1, max_waiting=1)
    chat = OpenAIChat(endpoint, "scripted-model")
    server.chat.append(Reply(b"{}", stall=True))
    first = asyncio.create_task(ask(chat, deadline_s=0.5))
    second = asyncio.create_task(ask(chat, deadline_s=0.2))
    await asyncio.sleep(0)
    with pytest.raises(ChatUnavailable, match="local_queue_full"):
        await ask(chat)
    assert {type(e) for e in await asyncio.gather(first, second, return_exceptions=True)} == {ChatTimeout}
    assert len(server.requests) == 1
    assert (await ask(chat)).text == "ok"
    await chat.close()


async def test_a_schema_is_handed_to_the_server(server, chat):
    server.chat.append(answer('{"hour": 12}'))
    completion = await ask(chat, schema=SCHEMA)
    assert completion.parsed == {"hour": 12}
    sent = server.requests[0].body["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


async def test_a_server_without_schemas_is_asked_in_words_and_remembered(server, chat):
    server.chat.extend([
        error(400, "response_format.type json_schema is not supported"),
        error(422, "response_format: unknown field"),
        answer('```json\n{"hour": 12}\n```'),
        answer('{"hour": 13}'),
    ])  # fmt: skip
    assert (await ask(chat, schema=SCHEMA)).parsed == {"hour": 12}
    formats = [request.body.get("response_format", {}).get("type") for request in server.requests]
    assert formats == ["json_schema", "json_object", None]
    assert json.dumps(SCHEMA) in server.requests[2].body["messages"][0]["content"]
    assert (await ask(chat, schema=SCHEMA)).parsed == {"hour": 13}
    assert len(server.requests) == 4, "what was learned is kept"


async def test_newer_servers_wishes_are_learned(server, chat):
    server.chat.extend([
        error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        error(400, "Unsupported value: 'temperature' does not support 0 with this model."),
        answer("Noon."),
    ])  # fmt: skip
    assert (await ask(chat)).text == "Noon."
    last = server.requests[-1].body
    assert last["max_completion_tokens"] == 50
    assert "max_tokens" not in last
    assert "temperature" not in last


async def test_a_server_that_refuses_everything_is_not_asked_for_ever(server, chat):
    server.respond = lambda _: error(400, "max_completion_tokens temperature response_format")
    with pytest.raises(ChatUnavailable, match="bad_request"):
        await ask(chat, schema=SCHEMA)
    assert len(server.requests) == 5


def ask_json(chat, **options):
    return complete_json(chat, ASK, **{"schema": SCHEMA, "max_tokens": 50, "deadline_s": 5, **options})


@pytest.mark.parametrize(
    "first", ["noon, I think", '{"hour": 25}', '{"hour": 1, "x": 2}', "null", "[]", '{"hour": NaN}']
)
async def test_wrong_then_right(server, chat, first):
    server.chat.extend([answer(first), answer('{"hour": 12}')])
    completion = await ask_json(chat)
    assert completion.parsed == {"hour": 12}
    assert completion.usage == TokenUsage(22, 14)
    again = server.requests[1].body["messages"]
    assert again[:2] == server.requests[0].body["messages"]
    assert again[2] == {"role": "assistant", "content": first}


async def test_wrong_twice_is_the_end(server, chat):
    server.chat.extend([answer("noon"), answer('{"hour": "12"}')])
    with pytest.raises(SpentInVain, match="wrong_schema") as raised:
        await ask_json(chat)
    assert raised.value.usage == TokenUsage(22, 14)
    assert len(server.requests) == 2


async def test_a_cut_answer_is_not_asked_for_again(server, chat):
    server.chat.append(answer('{"hour":', finish="length"))
    with pytest.raises(SpentInVain, match="truncated"):
        await ask_json(chat)
    assert len(server.requests) == 1


async def test_the_repair_has_only_what_is_left_of_the_deadline(server, chat):
    server.chat.extend([answer("noon"), Reply(b"{}", stall=True)])
    started = time.monotonic()
    with pytest.raises(ChatTimeout):
        await ask_json(chat, deadline_s=0.5)
    assert time.monotonic() - started < 2


def test_a_key_does_not_show():
    endpoint = Endpoint("https://models.example/v1", SecretStr(KEY))
    assert KEY not in repr(endpoint)
    for url in ("ftp://x/v1", "https://user:secret@models.example/v1", "nothing"):
        with pytest.raises(ValueError, match="base_url") as raised:
            Endpoint(url)
        assert "secret" not in str(raised.value)
