"""The pages: executed notebooks as a site that needs no network, with a first page on what was found.

Sphinx with myst-nb and sphinx-book-theme, because it renders offline and only what has changed. Nothing is
executed here: a page shows what the run of its chapter left.
"""

from __future__ import annotations

import copy
import hashlib
import html
import io
import json
import os
import shutil
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from workbook_lib.book.chapters import Chapter
from workbook_lib.book.front_page import MAP_FILE, badge, front_page
from workbook_lib.book.quick_imports import skip_iri_grammars
from workbook_lib.book.report import ChapterResult, Report
from workbook_lib.book.runner import executed_folder
from workbook_lib.book.system_map import SystemMap, system_map
from workbook_lib.lab.run_folder import project_root
from workbook_lib.lab.services import read_spec, service_names

__all__ = ["SiteError", "build"]

_THEME = Path(__file__).with_name("theme")
_CONFIGURATION: dict[str, Any] = {
    "project": "Microservices Workbook",
    "extensions": ["myst_nb"],
    "html_theme": "sphinx_book_theme",
    "html_title": "Microservices Workbook",
    "html_favicon": str(_THEME / "favicon.svg"),
    "html_static_path": [str(_THEME)],
    "html_css_files": ["workbook.css"],
    "html_sourcelink_suffix": "",
    "html_show_sphinx": False,
    "html_use_index": False,
    "html_show_copyright": False,
    "html_theme_options": {
        "logo": {"text": "Microservices Workbook", "image_light": "logo.svg", "image_dark": "logo.svg"},
        "show_toc_level": 2,
        "navbar_persistent": [],
        "footer_content_items": [],
        "home_page_in_toc": True,
        "use_fullscreen_button": False,
        "use_issues_button": False,
        "pygments_light_style": "friendly",
        "pygments_dark_style": "github-dark",
    },
    "language": "en",
    "nb_execution_mode": "off",
    "nb_merge_streams": True,
    "myst_enable_extensions": ["colon_fence", "deflist"],
    "myst_heading_anchors": 3,
    # Links into the project's files and to chapters that haven't run have no page here.
    "suppress_warnings": ["myst.xref_missing", "myst.header", "mystnb.unknown_mime_type", "toc.not_included"],
}


class SiteError(RuntimeError):
    """The pages couldn't be built; the message holds Sphinx's own."""


def build(out: Path, chapters: Sequence[Chapter], report: Report) -> Path:
    """Render the chapters that have results in `report` into `out`; returns the index page.

    Only pages whose content has changed since the last call are rendered again. Raises `SiteError`.
    """
    skip_iri_grammars()
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError

    work = _work_folder(out)
    source = work / "source"
    source.mkdir(parents=True, exist_ok=True)
    pages = _write_sources(source, out, report)
    _write_if_changed(source / "index.md", front_page(chapters, report, pages, _draw_system(source, pages)))
    warnings = io.StringIO()
    try:
        app = Sphinx(
            srcdir=source,
            confdir=None,
            outdir=work / "html",
            doctreedir=work / "doctrees",
            buildername="html",
            confoverrides=copy.deepcopy(_CONFIGURATION),  # the theme writes into it
            status=None,
            warning=warnings,
            parallel=os.cpu_count() or 1,
        )
        app.build()
    except (SphinxError, OSError) as error:
        raise SiteError(f"the pages couldn't be built: {error}\n{warnings.getvalue()}") from error
    _publish(work / "html", out)
    return out / "index.html"


def _draw_system(source: Path, pages: Set[str]) -> SystemMap | None:
    """Put the picture of the system into Sphinx's source, unless it shows the same calls as the last one."""
    root = project_root()
    services = {read_spec(root, name).service for name in service_names(root)}
    found = system_map([source / f"{page}.ipynb" for page in sorted(pages)], services)
    if found is not None:
        drawn = source / "system-map.txt"
        if not drawn.exists() or drawn.read_text(encoding="utf-8") != found.text:
            (source / MAP_FILE).write_bytes(found.png())
            drawn.write_text(found.text, encoding="utf-8")
    return found


def _publish(built: Path, out: Path) -> None:
    """Copy what has changed, and remove the pages of chapters that are gone.

    Sphinx doesn't build in `out` itself: myst-nb leaves a folder beside the one it builds in.
    """
    for page in out.glob("*.html"):
        if not (built / page.name).exists():
            page.unlink()
    shutil.copytree(built, out, copy_function=_copy_if_changed, dirs_exist_ok=True)


def _copy_if_changed(source: str, target: str) -> str:
    if not Path(target).exists() or Path(source).stat().st_mtime_ns != Path(target).stat().st_mtime_ns:
        shutil.copy2(source, target)
    return target


def _work_folder(out: Path) -> Path:
    """What Sphinx reads and keeps for the next build, apart from what is published."""
    key = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:10]
    return project_root() / ".workbook" / "site" / f"{out.name}-{key}"


def _write_sources(source: Path, out: Path, report: Report) -> set[str]:
    """Put every executed notebook, with a line on its run, into Sphinx's source; the names of these pages."""
    pages = set()
    for result in report.chapters:
        executed = executed_folder(out) / f"{result.notebook}.ipynb"
        if not executed.exists():
            continue
        notebook = json.loads(executed.read_bytes())
        after_title = next((i + 1 for i, cell in enumerate(notebook["cells"]) if _has_title(cell)), 0)
        note = {
            "cell_type": "markdown",
            "id": "workbook-run",
            "metadata": {},
            "source": _run_note(result, report),
        }
        notebook["cells"].insert(after_title, note)
        notebook["metadata"].pop("papermill", None)  # its times would make every page new
        _write_if_changed(source / executed.name, json.dumps(notebook))
        pages.add(result.notebook)
    for stale in source.glob("*.ipynb"):
        if stale.stem not in pages:
            stale.unlink()
    return pages


def _has_title(cell: dict[str, Any]) -> bool:
    return cell["cell_type"] == "markdown" and "".join(cell["source"]).lstrip().startswith("# ")


def _run_note(result: ChapterResult, report: Report) -> str:
    machine = report.machine
    where = f"{machine.system}, {machine.cpus} CPUs, {machine.memory_gb:g} GB, Python {machine.python}"
    measured = f"{result.seconds:.1f} s · {result.peak_mb:.0f} MB at most · {where} · {result.finished}"
    line = f'<p class="wb-run">{badge(result)} <span>{html.escape(measured)}</span></p>\n'
    error = result.first_error
    if error is None:
        return line
    cell = "" if error.cell is None else f"in code cell {error.cell}: "
    said = html.escape(f"{cell}{error.name}: {error.message}")
    logs = "".join(
        f"<details><summary>the end of {html.escape(name)}'s log</summary>"
        f"<pre>{html.escape(tail)}</pre></details>"
        for name, tail in result.logs.items()
    )
    # Markdown ends an HTML block at an empty line, which logs and messages may contain.
    return line + f'<div class="wb-failure"><pre>{said}</pre>{logs}</div>'.replace("\n", "&#10;")


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
