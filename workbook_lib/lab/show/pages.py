"""A web page that a service or server serves, inside the notebook."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from workbook_lib.lab.jupyter import behind_jupyter, through_jupyter
from workbook_lib.lab.show.output import Shown

__all__ = ["consul_ui", "web_page"]

HEIGHT_PIXELS: Final = 620
TIMEOUT_SECONDS: Final = 5.0


def web_page(url: str, title: str = "") -> Shown:
    """Show a page of this machine in JupyterLab, which passes it on under /proxy/<port>/, and link to it.

    The browser may be on another machine than the service, as on Binder; only the Jupyter server has to reach
    it. The page is loaded when its line is opened. Where there is no Jupyter server (GitHub, a site) the
    line stays closed, and the address is all there is.
    """
    parts = urlsplit(url)
    path, port = parts.path or "/", parts.port or 80
    # A program that was told of the proxy has pages that are at the same path on both sides.
    proxied = path if path.startswith(behind_jupyter(port)) else through_jupyter(port, path)
    name = escape(title or url)
    html = (
        f"<details><summary>{name}, here (in JupyterLab)</summary>"
        f'<iframe src="{escape(proxied)}" loading="lazy" width="100%" height="{HEIGHT_PIXELS}"></iframe>'
        "</details>"
        f'<p>In a tab of its own: <a href="{escape(proxied)}" target="_blank">through Jupyter</a>, or '
        f'<a href="{escape(url)}" target="_blank">{escape(url)}</a> on this machine.</p>'
    )
    return Shown(html, f"{title}: {url}" if title else url)


def consul_ui(consul_url: str) -> Shown:
    """Show the web UI of this Consul, at the path that it names itself.

    Of the lab's own Consul it opens in JupyterLab too; one that is the user's would have to be told of
    Jupyter's path by its `ui_config.content_path`. Raises httpx2.HTTPError when Consul doesn't answer.
    """
    answer = httpx2.get(consul_url, timeout=TIMEOUT_SECONDS, trust_env=False)
    return web_page(urljoin(consul_url, answer.headers.get("Location", "/ui/")), "Consul's web UI")
