"""Receives Alertmanager's webhook and lists what it has heard."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.oncall.domain import Alert, Alerts, Status
from services.oncall.settings import OncallSettings
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.fields import Timestamp
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service import Service

__all__ = ["Notification", "build"]

_log = get_logger(__name__)

Labels = Annotated[dict[str, str], Field(max_length=100)]


class _FromAlertmanager(BaseModel):
    """Names as Alertmanager writes them (`startsAt`); what isn't needed here is left out."""

    model_config = ConfigDict(alias_generator=to_camel)


class NotifiedAlert(_FromAlertmanager):
    """One alert of a message. `ends_at` is in the year 1 while it fires."""

    status: Status
    labels: Labels
    annotations: Labels = {}
    starts_at: Timestamp
    ends_at: Timestamp
    fingerprint: str = Field(max_length=64)


class Notification(_FromAlertmanager):
    """Alertmanager's webhook message, version 4: the alerts of one group."""

    version: str
    alerts: list[NotifiedAlert] = Field(max_length=1000)


class AlertList(BaseModel):
    """Alerts; those that were heard of last come first."""

    alerts: list[Alert]


def alert_routes(alerts: Alerts, clock: Clock) -> APIRouter:
    """Hear of alerts and list them."""
    router = APIRouter(prefix="/alerts")

    @router.post("", status_code=204)
    async def hear(message: Notification) -> None:
        for said in message.alerts:
            alert = _translated(said, clock)
            if alerts.hear(alert):
                _log.warning(
                    f"alert {alert.status}", alert=alert.name, summary=alert.summary, **_where(alert)
                )

    @router.get("")
    async def list_alerts(status: Annotated[Status | None, Query()] = None) -> AlertList:
        return AlertList(alerts=alerts.listed(status))

    return router


def _translated(said: NotifiedAlert, clock: Clock) -> Alert:
    return Alert(
        fingerprint=said.fingerprint,
        name=said.labels.get("alertname", ""),
        status=said.status,
        labels=said.labels,
        summary=said.annotations.get("summary", ""),
        started_at=said.starts_at,
        ended_at=said.ends_at if said.status == "resolved" else None,
        heard_at=clock.now(),
    )


def _where(alert: Alert) -> dict[str, str]:
    """Whom it is about; a log line's own `service` is the one that logs."""
    return {f"of_{name}": alert.labels[name] for name in ("service", "instance") if name in alert.labels}


def build(settings: OncallSettings, clock: Clock = SYSTEM_CLOCK) -> Service:
    """The service, not started."""
    service = Service(settings, title="Oncall")
    service.app.include_router(alert_routes(Alerts(settings.kept_alerts), clock))
    return service
