"""Where a Jupyter server (with jupyter-server-proxy) passes on the pages of programs on its machine."""

from __future__ import annotations

import os

__all__ = ["behind_jupyter", "through_jupyter"]


def through_jupyter(port: int, path: str = "/") -> str:
    """The path at the Jupyter server that leads to `path` at the program on this port."""
    return f"{_prefix()}proxy/{port}{path}"


def behind_jupyter(port: int) -> str:
    """The folder for the pages of a program that must know their own path: the same at both servers."""
    return f"{_prefix()}proxy/absolute/{port}/"


def _prefix() -> str:
    # A hub serves each user below a prefix of their own.
    return os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
