"""Give the lab's Prometheus other rules, and its Alertmanager another receiver, while they run."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path

from workbook_lib.lab.deployment import fill_in
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle

__all__ = ["load_rules", "notify"]

RELOAD_SECONDS = 10.0


async def load_rules(prometheus: Handle, name: str, rules: str) -> None:
    """Put `rules` (YAML, groups of recording and alerting rules) into force as `rules/<name>.yml`.

    Replaces the file of that name; "alerts" is the one of `deploy/prometheus`. Raises `LabError` with what
    Prometheus says when they are wrong; it then goes on with those that it has.
    """
    file = _folder(prometheus) / "rules" / f"{name}.yml"
    await asyncio.to_thread(_replace, prometheus, file, rules)


async def notify(alertmanager: Handle, url: str) -> None:
    """Send alerts to the oncall service at this base URL. Raises `LabError` when Alertmanager refuses."""
    configuration = fill_in("alertmanager/alertmanager.yml", {"oncall": url.rstrip("/")})
    file = _folder(alertmanager) / "alertmanager.yml"
    await asyncio.to_thread(_replace, alertmanager, file, configuration)


def _folder(handle: Handle) -> Path:
    handle.check()
    if handle.folder is None:
        raise LabError(f"{handle.name} at {handle.url} is your own server; the lab doesn't configure it")
    return handle.folder


def _replace(handle: Handle, file: Path, text: str) -> None:
    before = file.read_text() if file.exists() else None
    logged = handle.log_path.stat().st_size
    file.write_text(text)
    try:
        _reload(handle.url)
    except OSError as error:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)
        with handle.log_path.open("rb") as log:
            log.seek(logged)
            said = [line for line in log.read().decode(errors="replace").splitlines() if "err=" in line]
        causes = "\n".join(said) or str(error)
        raise LabError(f"{handle.name} refuses it and goes on with what it has:\n{causes}") from error


def _reload(url: str) -> None:
    """POST /-/reload: 200 once the new configuration is in force, 500 when it can't be."""
    request = urllib.request.Request(f"{url}/-/reload", method="POST")  # noqa: S310 - ours, always http
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=RELOAD_SECONDS):
        return
