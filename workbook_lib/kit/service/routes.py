"""What the edge calls a request: its route's template keeps metric series bounded, its status is known even cut off."""

from collections import defaultdict

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.types import Scope

__all__ = ["CLIENT_CLOSED_REQUEST", "NO_ROUTE", "OPERATIONAL_PATHS", "RouteTemplates"]

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a caller that left before its answer began."""
NO_ROUTE = "(none)"
OPERATIONAL_PATHS = frozenset({"/health", "/metrics"})
"""Asked for by machines every few seconds; neither traced nor logged."""


class RouteTemplates:
    """The templates of an app's routes, prefixes of included routers and mounts included.

    Since FastAPI 0.137 routes form a tree: `scope["route"]` is the leaf as it was declared, without the prefixes, and
    a router included twice has the same leaves twice. The whole template is in the route contexts.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._contexts: dict[int, list[RouteContext]] | None = None

    def template(self, scope: Scope) -> str:
        """The template of the route that answered `scope`, such as /users/{user_id}; NO_ROUTE when none did."""
        route = scope.get("route")
        if route is None:
            return NO_ROUTE
        if self._contexts is None:
            self._contexts = defaultdict(list)
            for context in iter_route_contexts(self._app.routes):
                self._contexts[id(context.original_route)].append(context)
        contexts = self._contexts.get(id(route), [])
        if len(contexts) > 1:
            contexts = [context for context in contexts if context.path_regex.match(scope["path"])]
        return (contexts[0].path_format if contexts else route.path_format) or NO_ROUTE
