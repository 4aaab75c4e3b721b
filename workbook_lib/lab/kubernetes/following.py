"""What the control plane holds, and every change of it: list, then watch, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.core.resource import NamespacedResource

from workbook_lib.kit.logs import get_logger

__all__ = ["Gone", "follow"]

AGAIN_SECONDS = 0.5
ResourceT = TypeVar("ResourceT", bound=NamespacedResource)

_log = get_logger(__name__)


class Gone(list[tuple[str, str]]):
    """Namespace and name of objects that aren't there any more."""


async def follow(
    client: AsyncClient,
    resource: type[ResourceT],
    *,
    fields: Mapping[str, str] | None = None,
) -> AsyncIterator[ResourceT | Gone]:
    """Each object of all namespaces as it is and whenever it changes; `Gone` when one has been deleted.

    What is there comes first, and then a `Gone`, even of none: from then on no change is missed. An API
    server that can't be reached, or has forgotten what changed since (410 Gone), is asked anew: what was
    deleted meanwhile is told then. Never ends by itself.
    """
    known: set[tuple[str, str]] = set()
    while True:
        try:
            listed = client.list(resource, namespace="*", fields=dict(fields) if fields else None)
            objects = [each async for each in listed]
            version = listed.resourceVersion
            missing = known - {_key(each) for each in objects}
            known = {_key(each) for each in objects}
            for each in objects:
                yield each
            yield Gone(sorted(missing))
            changes = client.watch(
                resource, namespace="*", fields=dict(fields) if fields else None, resource_version=version
            )
            async for what, each in changes:
                if what == "DELETED":
                    known.discard(_key(each))
                    yield Gone([_key(each)])
                else:
                    known.add(_key(each))
                    yield each
        except (ApiError, httpx2.HTTPError, OSError) as error:
            _log.warning("watch interrupted", resource=resource.__name__, cause=repr(error))
        await asyncio.sleep(AGAIN_SECONDS)


def _key(each: Any) -> tuple[str, str]:  # noqa: ANN401 - any object of the API
    return each.metadata.namespace or "", each.metadata.name
