"""The source of something, from its own file: prose never pastes code that could drift."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from html import escape
from pathlib import Path
from typing import Any, Final

from workbook_lib.lab.run_folder import project_root
from workbook_lib.lab.show.output import Shown

__all__ = ["source"]

ROOT_MARK: Final = "pyproject.toml"
BLOCK: Final = (
    "background:#f6f8fa;color:#1f2933;padding:10px 14px;border-radius:6px;"
    "overflow-x:auto;font-size:90%;line-height:1.4"
)
PLAIN: Final = "background:transparent;color:inherit;border:0;margin:0;padding:0;line-height:inherit"


def source(
    obj: Any,  # noqa: ANN401 - anything with a source
    *,
    name: str | None = None,
    lines: tuple[int, int] | None = None,
) -> Shown:
    """Show a function, method, class, module or file with its place, for example services/users/app.py:10-30.

    A file's name is relative to the project, wherever the notebook runs. `name` picks a function or class of
    a file, `Outer.inner` one inside another; `lines` (first, last, both shown) any part. Raises TypeError for
    what has no source, LookupError for a name that the file doesn't define.
    """
    path, first, text = _located(obj)
    if name is not None:
        first, text = _definition(text, name)
    if lines is not None:
        skipped = lines[0] - first
        text = "\n".join(text.splitlines()[skipped : lines[1] - first + 1])
        first = lines[0]
    text = text.rstrip("\n")
    place = f"{_relative(path)}:{first}-{first + text.count(chr(10))}"
    html = f"<p><code>{escape(place)}</code></p>{_highlighted(text, path)}"
    return Shown(html, f"# {place}\n{text}")


def _located(obj: Any) -> tuple[Path, int, str]:  # noqa: ANN401 - see source
    if isinstance(obj, str | Path):
        path = project_root() / obj  # an absolute path stays as it is
        return path, 1, path.read_text(encoding="utf-8")
    if isinstance(obj, functools.partial):
        obj = obj.func
    obj = inspect.unwrap(obj)
    if isinstance(obj, property):
        obj = obj.fget
    found, first = inspect.getsourcelines(obj)
    return (
        Path(inspect.getsourcefile(obj) or inspect.getfile(obj)),
        max(first, 1),
        textwrap.dedent("".join(found)),
    )


def _definition(text: str, name: str) -> tuple[int, str]:
    """The first line and the text of a definition, with its decorators."""
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        inner = [each for each in ast.iter_child_nodes(node) if getattr(each, "name", None) == part]
        if not inner:
            raise LookupError(f"nothing named {name} is defined there")
        node = inner[0]
    decorators = [each.lineno for each in getattr(node, "decorator_list", [])]
    first, last = min([node.lineno, *decorators]), node.end_lineno  # type: ignore[attr-defined]
    return first, textwrap.dedent("\n".join(text.splitlines()[first - 1 : last]))


def _relative(path: Path) -> str:
    """The path below its project, or below site-packages."""
    path = path.absolute()
    for parent in path.parents:
        if (parent / ROOT_MARK).is_file() or parent.name == "site-packages":
            return path.relative_to(parent).as_posix()
    return path.name


def _highlighted(text: str, path: Path) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import TextLexer, get_lexer_for_filename
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_for_filename(path.name, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    # Inline colours: a style sheet would not survive GitHub's viewer.
    formatter = HtmlFormatter(noclasses=True, style="friendly", cssstyles=BLOCK, prestyles=PLAIN)
    return str(highlight(text, lexer, formatter))
