"""Every failpoint there is, read from the sources: what the suite must have made fire."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("meshkit", "svc_*")


def places(root: Path = ROOT) -> dict[str, str]:
    """The names that `failpoints.reach` is called with, and where. Raises ValueError for one that is no literal, is
    there twice, or does not stand behind `failpoints.ON`."""
    found: dict[str, str] = {}
    for room in ROOMS:
        for path in sorted(file for folder in root.glob(room) for file in folder.rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            guarded = {id(inner) for node in ast.walk(tree) if _guards(node) for inner in ast.walk(node)}
            for node in ast.walk(tree):
                if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.reach"):
                    continue
                where = f"{path.relative_to(root)}:{node.lineno}"
                name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
                if not isinstance(name, str) or name in found:
                    raise ValueError(f"{where}: the place has no name of its own")
                if id(node) not in guarded:
                    raise ValueError(f"{where}: {name} costs something although nothing is armed")
                found[name] = where
    return found


def _guards(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "failpoints.ON" in ast.unparse(node.test)
