"""The rules of the house that neither ruff nor import-linter can say; `make check` runs it.

Each rule is a function from a source to its offences. Exits 1 and names file and line where one is broken, and where it
found nothing to look at.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ("meshkit", "svc_*", "cli", "db", "evals", "bench", "tools", "tests", "proto", "envoy")
# A formatted contract spends four lines on an option.
MAX_LINES = {".py": 400, ".sql": 400, ".proto": 500}
EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"})
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
SQL = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+[\w.]+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|MERGE\s+INTO\s"
    r"|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|SCHEMA|ROLE|FUNCTION|VIEW|TYPE|EXTENSION)\s|TRUNCATE\s|GRANT\s)"
)
# Where SQL text may stand in Python: the stores, the migrations' runner and the driver's own module. Tests may say it.
SQL_MODULES = re.compile(r"^(db/|tests/|bench/|meshkit/postgres|svc_\w+/(\w+_)?store)")
# The modules of a service that may know gRPC: what starts it, what answers, and what calls its peers.
GRPC_MODULES = re.compile(r"^(__main__|wiring|(\w+_)?servicer|(\w+_)?clients?|peers)$")
# From the outermost inwards; every other module of a service is a domain module or a store, and stands below.
LAYERS = ("__main__", "wiring", "servicer")


@dataclass(frozen=True)
class Source:
    """A file of ours: its path from the root, with `/`, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed module. Only for Python."""
        return ast.parse(self.text, self.path)

    @property
    def python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def service(self) -> str | None:
        """The service that the module belongs to, None outside of services."""
        room = self.path.partition("/")[0]
        return room if room.startswith("svc_") and self.python else None


Offence = tuple[int, str]
Rule = Callable[[Source], Iterable[Offence]]


def named_for_what_it_holds(source: Source) -> Iterator[Offence]:
    """A module or folder bears a word of the field, never a word for a drawer."""
    path = Path(source.path)
    for part in (*path.parts[:-1], path.stem):
        if part in EMPTY_NAMES:
            yield 1, f"`{part}` says nothing: name it for what it holds"


def small_enough(source: Source) -> Iterator[Offence]:
    """A file is read in one sitting. The schema's snapshot is made, and looked things up in."""
    if source.path == "db/schema.sql":
        return
    lines = source.text.count("\n")
    most = MAX_LINES[Path(source.path).suffix]
    if lines > most:
        yield most + 1, f"{lines} lines, at most {most}"


def finished(source: Source) -> Iterator[Offence]:
    """What is left to do is an issue, not a comment."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield number, "unfinished work belongs into an issue"


def sql_in_its_place(source: Source) -> Iterator[Offence]:
    """SQL lives in `queries.sql` beside its store."""
    if not source.python or SQL_MODULES.match(source.path):
        return
    prose = _docstrings(source.tree)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in prose:
            continue
        if SQL.match(node.value):
            yield node.lineno, "SQL text outside a store: name it in queries.sql"


def domain_without_grpc(source: Source) -> Iterator[Offence]:
    """A service's domain modules raise domain errors and take domain values; gRPC ends at the servicer."""
    if source.service is None or GRPC_MODULES.match(Path(source.path).stem):
        return
    for line, module in _imports(source):
        if module.split(".")[0] == "grpc":
            yield line, "a domain module that knows gRPC: that belongs to the servicer, or to the peers' clients"


def one_direction(source: Source) -> Iterator[Offence]:
    """Inside a service: `__main__` → `wiring` → `servicer` → all others (import-linter sees to cycles in those)."""
    if source.service is None:
        return
    own = _layer(Path(source.path).stem)
    for line, module in _imports(source):
        package, _, inner = module.partition(".")
        if package == source.service and inner and _layer(inner.split(".")[0]) < own:
            yield line, f"imports {module}, which stands above it"


def no_business_in_meshkit(source: Source) -> Iterator[Offence]:
    """meshkit is any mesh's: of the contracts it knows only the options."""
    if not source.path.startswith("meshkit/") or not source.python:
        return
    for line, module in _imports(source):
        if module.startswith("groundline.") and not module.startswith("groundline.options."):
            yield line, f"meshkit imports the business contract {module}"


RULES: tuple[Rule, ...] = (
    named_for_what_it_holds,
    small_enough,
    finished,
    sql_in_its_place,
    domain_without_grpc,
    one_direction,
    no_business_in_meshkit,
)


def sources(root: Path = ROOT) -> Iterator[Source]:
    """Every file of ours that the rules are about."""
    for pattern in OURS:
        for room in sorted(root.glob(pattern)):
            for path in sorted(room.rglob("*")):
                if path.suffix in MAX_LINES and "node_modules" not in path.parts:
                    yield Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))


def offences(source: Source) -> Iterator[str]:
    """What a file breaks, as lines to print."""
    for rule in RULES:
        for line, message in rule(source):
            yield f"{source.path}:{line}: {message} ({rule.__name__})"


def _layer(module: str) -> int:
    name = "servicer" if module.endswith("servicer") else module
    return LAYERS.index(name) if name in LAYERS else len(LAYERS)


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    """Every module imported, relative ones made absolute; `from a import b` gives both `a` and `a.b`."""
    package = Path(source.path).parent.parts
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            kept = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*kept, *filter(None, [node.module])))
            yield node.lineno, module
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def _docstrings(tree: ast.Module) -> set[int]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
    return found


def main() -> int:
    """Checks every file; 0 where all hold."""
    checked = 0
    broken: list[str] = []
    for source in sources():
        checked += 1
        broken.extend(dict.fromkeys(offences(source)))
    print("\n".join(broken) if broken else f"house rules: {checked} files, {len(RULES)} rules, nothing broken")
    return 1 if broken or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
