"""What the edge calls a request: the template of its route, which keeps the number of series bounded."""

from collections import defaultdict

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.types import Scope

__all__ = ["NO_ROUTE", "RouteTemplates", "allowed_methods"]

NO_ROUTE = "(none)"


class RouteTemplates:
    """The templates of an app's routes, with the prefixes of included routers.

    Since FastAPI 0.137 routes form a tree: `scope["route"]` is the leaf as it was declared, without prefixes,
    and a router included twice has the same leaves twice. Only the route contexts know the whole template.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._contexts: dict[int, list[RouteContext]] | None = None

    def template(self, scope: Scope) -> str:
        """The template of the route that answered, such as /users/{user_id}; NO_ROUTE when none did."""
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


def allowed_methods(app: FastAPI, path: str) -> str:
    """The methods of all routes at `path`, for Allow: Starlette itself names the first route's only.

    Of two templates the one with fewer parameters is meant: /users/form before /users/{user_id}.
    """
    found = [
        (context.path_format.count("{"), context.methods)
        for context in iter_route_contexts(app.routes)
        if context.methods and context.path_format and context.path_regex and context.path_regex.match(path)
    ]
    fewest = min((parameters for parameters, _ in found), default=0)
    return ", ".join(sorted(set().union(*(methods for parameters, methods in found if parameters == fewest))))
