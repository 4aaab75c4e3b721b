"""A web page that a service serves, inside the notebook."""

from __future__ import annotations

import os
from html import escape
from typing import Final
from urllib.parse import urlsplit

from workbook_lib.lab.show.output import Shown

__all__ = ["web_page"]

HEIGHT_PIXELS: Final = 620


def web_page(url: str, title: str = "") -> Shown:
    """Show a page of this machine in JupyterLab, which passes it on under /proxy/<port>/, and link to it.

    The browser may be on another machine than the service, as on Binder; only the Jupyter server has to reach
    it. The page is loaded when its line is opened. Where there is no Jupyter server (GitHub, a site) the
    line stays closed, and the address is all there is.
    """
    parts = urlsplit(url)
    # A hub serves each user below a prefix of their own.
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    proxied = f"{prefix}proxy/{parts.port}{parts.path or '/'}"
    name = escape(title or url)
    html = (
        f"<details><summary>{name}, here (in JupyterLab)</summary>"
        f'<iframe src="{escape(proxied)}" loading="lazy" width="100%" height="{HEIGHT_PIXELS}"></iframe>'
        "</details>"
        f'<p>In a tab of its own: <a href="{escape(proxied)}" target="_blank">through Jupyter</a>, or '
        f'<a href="{escape(url)}" target="_blank">{escape(url)}</a> on this machine.</p>'
    )
    return Shown(html, f"{title}: {url}" if title else url)
