"""`python -m bench`: measures, side by side in one run, and prints the tables."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bench import edge, embedding, outbox, post_message, turn_overhead
from bench.database import ground
from bench.load import LoadError
from bench.report import Table, print_tables, to_json, to_markdown
from bench.search import compared as peers
from bench.search import compared_at_size, storing
from bench.search import measure as search
from bench.side_by_side import Plan, Say
from cli.stack.errors import StackError
from db.postgres import PostgresError

GATEWAY_BENCHMARKS = {post_message.NAME: post_message.run, edge.NAME: edge.run, outbox.NAME: outbox.run}
NAMES = (*GATEWAY_BENCHMARKS, turn_overhead.NAME, embedding.NAME, search.NAME, storing.NAME, peers.NAME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 measured, 1 not; goals that were missed are no failure, for machines differ."""
    options = _parser().parse_args(arguments)
    plan = Plan(options.rounds, options.duration, options.concurrency, seed=options.seed)
    to_person = not (options.json or options.markdown)
    errors = Console(stderr=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tables: list[Table] = []
    code = 0
    with _progress(errors) as say:
        try:
            # One that fails must not take with it what others have found.
            for table in _measure(options.only or NAMES, plan, options, say):
                tables.append(table)  # noqa: PERF402
        except (LoadError, PostgresError, StackError) as error:
            print(f"bench: {error}", file=sys.stderr)
            code = 1
        except KeyboardInterrupt:
            return 130
    if to_person:
        print_tables(tables, Console())
    else:
        print(to_json(tables) if options.json else to_markdown(tables))
    return code


def _measure(names: Sequence[str], plan: Plan, options: argparse.Namespace, say: Say) -> Iterator[Table]:
    gateway_benchmarks = [GATEWAY_BENCHMARKS[name] for name in names if name in GATEWAY_BENCHMARKS]
    if gateway_benchmarks:
        with _folder() as folder:
            say("making a database")
            with ground(folder) as made:
                for benchmark in gateway_benchmarks:
                    yield benchmark(made, plan, say)
    if turn_overhead.NAME in names:
        with _folder() as folder:
            yield turn_overhead.run(folder, options.questions, say)
    if embedding.NAME in names:
        yield embedding.run(plan, say)
    if search.NAME in names:
        with _folder(options.keep) as folder:
            sizes = options.sizes or search.DEFAULT_SIZES
            yield search.run(folder, sizes, options.searches, options.exact, options.vocabulary, plan.seed, say)
    if storing.NAME in (options.only or ()):
        with _folder() as folder:
            yield storing.run(folder, options.vocabulary, plan.seed, say)
    if peers.NAME in (options.only or ()):
        # Only when asked for: it installs other people's packages.
        if options.sizes:
            with _folder(options.keep) as folder:
                yield compared_at_size.run(folder, options.sizes, options.searches, options.vocabulary, plan.seed, say)
        else:
            with _folder() as folder:
                yield peers.run(folder, options.sets, options.searches, say)


@contextmanager
def _progress(console: Console) -> Iterator[Say]:
    """Says what is being done: on one line of a terminal, else on a line each."""
    if console.is_terminal:
        # A spinner would take CPU from what is measured.
        with console.status("starting", refresh_per_second=0.5) as status:
            yield status.update
    else:
        yield lambda text: print(text, file=sys.stderr, flush=True)


@contextmanager
def _folder(keep: Path | None = None) -> Iterator[Path]:
    """A folder that is deleted at the end, or the one to be kept."""
    if keep:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="groundline-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=_at_least(1), default=Plan.rounds, help="rounds of each subject")
    parser.add_argument("--duration", type=_duration, default=Plan.duration_s, metavar="S", help="seconds of a round")
    parser.add_argument("--concurrency", type=_at_least(1), default=Plan.concurrency, help="of the closed loop")
    parser.add_argument("--questions", type=_at_least(1), default=40, help="asked for turn-overhead")
    parser.add_argument(
        "--sizes",
        type=_sizes,
        help=f"some of 10k,100k,1m: of search ({','.join(search.DEFAULT_SIZES)}), and of peers, which without it takes "
        "the question sets",
    )
    parser.add_argument(
        "--searches",
        type=_at_least(1),
        default=200,
        help="asked in each cell of search, and of each set or size of peers",
    )
    parser.add_argument(
        "--exact",
        type=_at_least(1),
        default=search.DEFAULT_EXACT,
        help="of these, how many search answers exactly, too",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where search and peers keep the sizes that they build"
    )
    parser.add_argument("--vocabulary", type=Path, metavar="DIR", help="Markdown whose vocabulary the sizes borrow")
    parser.add_argument(
        "--sets",
        type=Path,
        default=peers.SETS,
        metavar="DIR",
        help="a question set or a folder of them, for peers without --sizes",
    )
    parser.add_argument("--seed", type=int, default=Plan.seed)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="every figure, for scripts")
    shape.add_argument("--markdown", action="store_true", help="the tables of docs/performance.md")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= 10_000:
            raise argparse.ArgumentTypeError(f"must be from {least} to 10000")
        return value

    return read


def _sizes(text: str) -> tuple[str, ...]:
    names = tuple(text.lower().split(","))
    if unknown := [each for each in names if each not in search.SIZES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(search.SIZES)}")
    return names


def _duration(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 600:
        raise argparse.ArgumentTypeError("must be from 0.1 to 600 seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
