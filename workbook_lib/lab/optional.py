"""What a chapter can do without: left out where it can't be had, and never in silence."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape

__all__ = ["show_skipped"]

BOX = "border-left:4px solid #b7791f;padding:6px 12px;margin:4px 0"


def show_skipped(names: Iterable[str], why: str) -> None:
    """Tell the reader what is left out, why, and how to provide it: in the cell's output, else printed."""
    from workbook_lib.lab.show import Shown  # pictures take long to import, and few labs leave anything out

    what = ", ".join(names)
    told = Shown(
        f'<div style="{BOX}"><b>Skipped: {escape(what)}.</b> {escape(why)}</div>', f"Skipped: {what}. {why}"
    )
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        from IPython.display import display

        display(told)  # type: ignore[no-untyped-call]
    else:
        print(told)
