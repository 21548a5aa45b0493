"""What is printed: never cut in a pipe, never what a customer could do to a terminal."""

import json

import pytest

from cli import output
from cli.asking import marked
from cli.errors import CommandError
from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.ticketing.v1 import ticketing_pb2


def test_customers_words_move_no_cursor() -> None:
    assert output.clean("a\x1b[31mred\x1b]0;title\x07\x00\x9b2J\u202eb\n\tc") == "a[31mred]0;title2Jb\n\tc"
    assert output.one_line(" a\n\n b\t") == "a b"
    assert output.shorten("a long line of words", 8) == "a long…"


def test_customers_words_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("[red]not red[/red] [link=https://x.example]x[/link]")
    assert capsys.readouterr().out == "[red]not red[/red] [link=https://x.example]x[/link]\n"


def test_a_table_in_a_pipe_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("id", "text"), [("1", "x" * 300), ("22", "y")], empty="nothing")
    first, second, third = capsys.readouterr().out.splitlines()
    assert (first, second, third) == ("id  text", "1   " + "x" * 300, "22  y")
    output.table(("id",), [], empty="nothing")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "nothing\n")


def test_json_shows_every_field_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json(
        {"ticket": output.to_json(ticketing_pb2.Ticket(ticket_id="t", status=ticketing_pb2.TICKET_STATUS_OPEN))}
    )
    shown = json.loads(capsys.readouterr().out)["ticket"]
    assert (shown["ticket_id"], shown["status"], shown["ai_confidence"]) == ("t", "TICKET_STATUS_OPEN", 0.0)


def test_words_for_enums() -> None:
    assert output.word(ticketing_pb2.TicketStatus, 1, "TICKET_STATUS_") == "open"
    assert output.value_of(ticketing_pb2.TicketStatus, "Pending", "TICKET_STATUS_") == 2
    for wrong in ("unspecified", "nonsense", ""):
        with pytest.raises(CommandError, match="open, pending, resolved, closed"):
            output.value_of(ticketing_pb2.TicketStatus, wrong, "TICKET_STATUS_")


def test_an_answers_parts_carry_the_numbers_of_what_backs_them() -> None:
    reply = pb.Message(content="Hold ten seconds. Then wait.")
    for chunk, end in (("b", 28), ("a", 17), ("a", 28), ("a", 28)):
        reply.citations.add(chunk_id=chunk, quote=chunk, doc_uri=f"{chunk}.md", content_end=end)
    text, citations = marked(reply)
    assert text == "Hold ten seconds. [1] Then wait. [1] [2]"
    assert [each.doc_uri for each in citations] == ["a.md", "b.md"]


def test_a_mark_does_not_stand_behind_a_command() -> None:
    reply = pb.Message(content="Use this:\n$ ctl defrag\n1. Stop.\n2. Start:\n$ ctl up")
    for chunk, start, end in (("a", 0, 22), ("b", 0, 22), ("c", 23, 31), ("d", 32, 50)):
        reply.citations.add(chunk_id=chunk, quote=chunk, content_start=start, content_end=end)
    assert marked(reply)[0] == "Use this:\n$ ctl defrag\n[1] [2]\n1. Stop. [3]\n2. Start:\n$ ctl up\n[4]"


def test_what_parts_words_still_parts_them_in_a_terminal() -> None:
    assert output.clean("10\u00a0MB\r\n\u2028in\ttwo\u200b\x1b[2J") == "10 MB \n in\ttwo[2J"
