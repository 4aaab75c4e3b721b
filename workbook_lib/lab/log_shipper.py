"""How a lab starts the log shipper."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbook_lib.lab.services import ServiceSpec

__all__ = ["SHIPPER", "shipper_environment"]


@dataclass(frozen=True)
class _ShipperSpec(ServiceSpec):
    def command(self, *, reload: bool = False, arguments: Sequence[str] = ()) -> list[str]:  # noqa: ARG002
        return [sys.executable, "-m", "workbook_lib.lab.shipping", *arguments]

    def environment(self, ports: Mapping[str, int], data_folder: Path | None) -> dict[str, str]:
        return {
            "SHIPPER_PORT": str(ports["http"]),
            "SHIPPER_INSTANCE": self.instance(ports["http"]),
            "SHIPPER_STATE": str(data_folder),
        }


SHIPPER = _ShipperSpec(Path("log-shipper"), "log-shipper", 9429, needs=("victorialogs",))
"""The shipper as a lab sees a service. It isn't one of the chapter's: it registers nowhere."""


def shipper_environment(
    logs: Path, store_url: str, *, rotate_bytes: int, keep_seconds: float
) -> dict[str, str]:
    """What it is told besides its ports."""
    return {
        "SHIPPER_LOGS": str(logs),
        "SHIPPER_STORE_URL": store_url,
        "SHIPPER_ROTATE_BYTES": str(rotate_bytes),
        "SHIPPER_KEEP_SECONDS": str(keep_seconds),
        "SHIPPER_STOP_GRACE_SECONDS": "3",
    }
