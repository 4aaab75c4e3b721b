"""The rules that the tree is held to, as plain functions that return what is wrong."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

MODULE_LINES = 400
FUNCTION_LINES = 40
CELL_LINES = 15
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

# What a chapter may import besides workbook_lib and the standard library: the client libraries it teaches.
TAUGHT = {
    *(
        "aiohttp",
        "aiokafka",
        "dns",
        "fastapi",
        "google",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "httpx2",
        "lightkube",
        "opentelemetry",
        "pydantic",
        "redis",
        "sqlalchemy",
    ),
    *(
        "confluent_kafka",
        "matplotlib",
        "packaging",
        "psutil",
        "structlog",
        "tokenizers",
        "websockets",
        "yaml",
    ),
}
CONTRACTS = "services.contracts"
EXERCISE_TAGS = ("exercise", "solution", "wrong-answer")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def files(*patterns: str) -> list[Path]:
    """The project's own files that match, without generated stubs: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return sorted({ROOT / name for name in listed if name and "_pb2" not in name and (ROOT / name).is_file()})


def name_of(path: Path) -> str:
    """A path as it is written in the project."""
    return path.relative_to(ROOT).as_posix()


def too_long(name: str, source: str) -> list[str]:
    """Modules and functions that are longer than a reader takes in at one sitting."""
    lines = len(source.splitlines())
    found = [f"{name}: {lines} lines, at most {MODULE_LINES}"] if lines > MODULE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                found.append(
                    f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"
                )
    return found


def vague(path: str) -> bool:
    """Whether a path has a part that says nothing about what is in it."""
    return any(part.removesuffix(".py") in VAGUE_NAMES for part in path.split("/"))


def undocumented(name: str, source: str) -> list[str]:
    """Public modules, classes, functions and methods without a docstring."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else [f"{name}: the module"]
    return found + [
        f"{name}:{node.lineno}: {path}"
        for path, node in definitions(tree)
        if not ast.get_docstring(node) and not _is_overload(node)
    ]


def definitions(
    tree: ast.Module,
) -> Iterator[tuple[str, Definition]]:
    """Public classes and functions with their dotted names, and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, Definition) and is_public(node.name):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and is_public(inner.name):
                    yield f"{node.name}.{inner.name}", inner


def is_public(name: str) -> bool:
    """Whether a name is meant for others."""
    return not name.startswith("_")


def declared_all(source: str) -> list[str] | None:
    """The literal `__all__` of a module; None when it has none."""
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


def identifiers(source: str) -> set[str]:
    """Every name that a piece of code uses: variables, attributes, imports and keyword arguments."""
    names: set[str] = set()
    for node in ast.walk(parse_cell(source)):
        match node:
            case ast.Name():
                names.add(node.id)
            case ast.Attribute():
                names.add(node.attr)
            case ast.alias():
                names.update(node.name.split("."))
            case ast.keyword() if node.arg:
                names.add(node.arg)
    return names


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook as JSON."""
    notebook: dict[str, Any] = json.loads(path.read_bytes())
    return notebook


def code_cells(notebook: dict[str, Any]) -> list[str]:
    """The sources of the code cells, without what only IPython understands, and what goes to a file."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [
        "\n".join(
            "pass" if re.match(r"\s*[%!]", line) or source.startswith("%%writefile ") else line
            for line in source.splitlines()
        )
        for source in sources
    ]


def outputs_left(name: str, notebook: dict[str, Any]) -> list[str]:
    """Code cells that were committed with outputs or execution counts."""
    return [
        f"{name}: cell {number} has outputs or an execution count"
        for number, cell in enumerate(notebook["cells"], start=1)
        if cell["cell_type"] == "code" and (cell.get("outputs") or cell.get("execution_count") is not None)
    ]


def long_cells(name: str, notebook: dict[str, Any]) -> list[str]:
    """Code cells with more lines than fit a reader's glance."""
    return [
        f"{name}: code cell {number} has {len(source.splitlines())} lines, at most {CELL_LINES}"
        for number, source in enumerate(code_cells(notebook), start=1)
        if len(source.splitlines()) > CELL_LINES
    ]


def exercise_cells(notebook: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The cells of an exercise with their tags, in order."""
    tagged = (
        (set(EXERCISE_TAGS) & set(cell["metadata"].get("tags", ())), cell) for cell in notebook["cells"]
    )
    return [(tag, cell) for tags, cell in tagged for tag in tags]


def exercise_faults(name: str, notebook: dict[str, Any]) -> list[str]:
    """What keeps the exercise from being one: cells that are missing, not folded, or not explained."""
    cells = exercise_cells(notebook)
    counts = [sum(tag == wanted for tag, _ in cells) for wanted in EXERCISE_TAGS]
    found = [] if counts[:2] == [1, 1] and counts[2] in (2, 3) else [f"{name}: {counts} of {EXERCISE_TAGS}"]
    for tag, cell in cells:
        source = "".join(cell["source"])
        if not re.match(r"await exercise\.\w+\.check\(", ast.unparse(parse_cell(source).body[-1])):
            found.append(f"{name}: the {tag} cell doesn't end with its check")
        if tag == "exercise":
            continue
        folded = cell["metadata"].get("jupyter", {})
        if not (folded.get("source_hidden") and "hide-cell" in cell["metadata"]["tags"]):
            found.append(f"{name}: the {tag} cell isn't folded, in JupyterLab and on the page")
        if tag == "wrong-answer" and not source.startswith("# "):
            found.append(f"{name}: a wrong answer doesn't begin with the misconception it is")
    return found


def exercise_module(path: Path) -> str:
    """The module with a notebook's checks: `chapter_4_1` for `04_1_registration….ipynb`."""
    number = re.match(r"\d+(?:_\d+)*", path.name)
    assert number
    return "chapter_" + number.group().lstrip("0")


def forbidden_imports(name: str, sources: Iterable[str]) -> list[str]:
    """What chapters may not use: parts below the interface, third-party code not taught, private names."""
    found = []
    for node in (node for source in sources for node in ast.walk(parse_cell(source))):
        match node:
            case ast.Import():
                modules = [alias.name for alias in node.names]
            case ast.ImportFrom():
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            case ast.Attribute() if re.match(r"_[^_]", node.attr):
                modules = [node.attr]
            case _:
                continue
        found += [f"{name}: {module}" for module in modules if not _importable_in_a_chapter(module)]
    return found


def parse_cell(source: str) -> ast.Module:
    """A cell's syntax tree; cells may await at their top level."""
    tree = compile(source, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    return tree


def foreign_addresses(name: str, text: str, own_paths: Iterable[str]) -> list[str]:
    """Addresses of package indexes and paths of one machine: they belong into no file of a project."""
    kinds = "|".join(
        ("pypi", "pythonhosted", "npmjs", "maven", "goproxy", "proxy", "artifactory", "nexus", "mirror")
    )
    index = rf"https?://[\w.-]*\b(?:{kinds})\b[\w.-]*\.\w+"
    setting = r"--(?:extra-)?index-url[ =]\w\S*|\bGOPROXY=\S*://\S+"
    own = "|".join(rf"(?<![\w.-]){re.escape(path)}(?![\w.-])" for path in own_paths)
    found = re.findall(f"{index}|{setting}|{own}", text)
    return [f"{name}: {match}" for match in found if not match.endswith(".example")]  # RFC 2606


def _is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in decorators)


def _importable_in_a_chapter(module: str) -> bool:
    top, *rest = module.split(".")
    if any(re.match(r"_[^_]", part) for part in (top, *rest)):
        return False
    if top == "workbook_lib":
        return rest[:1] in (["kit"], ["lab"])
    return top in sys.stdlib_module_names or top in TAUGHT or module.startswith(f"{CONTRACTS}.")
