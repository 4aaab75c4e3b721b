"""On whose behalf a request runs: the tenant, which travels as W3C Baggage with the trace.

An edge sets it from what it trusts (an API key, a token), never from a caller's own baggage; from there it is
in every call and message that the request leads to. It ends up in logs, metrics and spans, so its form is
narrow, and it is no secret: baggage is readable by everybody on the way.
"""

import re
from typing import Final

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

__all__ = ["TENANT_ATTRIBUTE", "TenantOnSpans", "current_tenant", "with_tenant"]

TENANT_ATTRIBUTE: Final = "tenant.id"

_KEY: Final = "tenant"
_FORM: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def current_tenant(context: Context | None = None) -> str:
    """The tenant of `context`, by default the current one; "" where there is none, or none of that form."""
    value = baggage.get_baggage(_KEY, context)
    return str(value) if isinstance(value, str) and _FORM.fullmatch(value) else ""


def with_tenant(tenant: str, context: Context | None = None) -> Context:
    """`context`, by default the current one, on behalf of `tenant`. Raises ValueError for another form."""
    if not _FORM.fullmatch(tenant):
        raise ValueError(f"{tenant!r} is no tenant: up to 32 of a-z, 0-9 and -")
    return baggage.set_baggage(_KEY, tenant, context)


class TenantOnSpans(SpanProcessor):
    """Puts the tenant on every span that begins under one, so that traces can be searched by it."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set the attribute."""
        if tenant := current_tenant(parent_context):
            span.set_attribute(TENANT_ATTRIBUTE, tenant)
