import asyncio
import io

from meshkit.log_lines import MAX_WAITING, LineLogger


async def test_lines_wait_for_company_and_warnings_take_them_along_in_order() -> None:
    stream = io.StringIO()
    lines = LineLogger(stream)
    lines.info("1")
    lines.info({"n": 2})
    assert stream.getvalue() == ""
    lines.warning("3")
    assert stream.getvalue() == '1\n{"n":2}\n3\n'


async def test_lines_are_written_soon_without_anything_else_happening() -> None:
    written = asyncio.Event()

    class Stream(io.StringIO):
        def flush(self) -> None:
            written.set()

    lines = LineLogger(Stream())
    for _ in range(2):
        written.clear()
        lines.info("line")
        async with asyncio.timeout(5):
            await written.wait()


def test_a_loop_that_ended_early_takes_no_line_with_it() -> None:
    stream = io.StringIO()
    lines = LineLogger(stream)

    async def say(line: str) -> None:
        lines.info(line)

    asyncio.run(say("1"))
    lines.info("2")
    assert stream.getvalue() == "1\n2\n"
    asyncio.run(say("3"))

    async def last() -> None:
        lines.info("4")
        await asyncio.sleep(0.1)

    asyncio.run(last())
    assert stream.getvalue() == "1\n2\n3\n4\n"


async def test_a_burst_is_bounded() -> None:
    stream = io.StringIO()
    lines = LineLogger(stream)
    for _ in range(MAX_WAITING):
        lines.info("x")
    assert stream.getvalue().count("\n") == MAX_WAITING
