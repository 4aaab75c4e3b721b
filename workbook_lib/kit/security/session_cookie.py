"""The cookie that carries a session's id, and the dependency of routes that need a session."""

from typing import Literal, NamedTuple

from fastapi import Request

from workbook_lib.kit.errors import Unauthenticated
from workbook_lib.kit.security.cors import CorsPolicy
from workbook_lib.kit.security.cross_site import refuse_cross_site_write
from workbook_lib.kit.security.sessions import Session, Sessions

__all__ = ["CurrentSession", "LoggedIn", "SessionCookie"]


class SessionCookie:
    """The cookie that carries a session's id: out of scripts' reach, over HTTPS only, for this host only."""

    def __init__(self, *, secure: bool, same_site: Literal["lax", "strict"] = "lax") -> None:
        # Of a __Host- cookie the browser itself sees to it that it is secure and of this very host.
        self.name = "__Host-session" if secure else "session"
        self._secure = secure
        self._same_site = same_site

    def header(self, session_id: str) -> str:
        """The Set-Cookie that hands out `session_id`; it ends with the browser's own session."""
        return f"{self.name}={session_id}; {self._attributes()}"

    def clearing(self) -> str:
        """The Set-Cookie that makes the browser forget it."""
        return f"{self.name}=; Max-Age=0; {self._attributes()}"

    def _attributes(self) -> str:
        secure = "Secure; " if self._secure else ""
        return f"Path=/; {secure}HttpOnly; SameSite={self._same_site.capitalize()}"


class LoggedIn(NamedTuple):
    """The session that a request belongs to, and its id."""

    session_id: str
    session: Session


class CurrentSession:
    """Dependency that gives a route the session of the request's cookie.

    A write from a page of an origin that isn't `allowed` is refused here, so that no route can forget it.
    """

    def __init__(self, sessions: Sessions, cookie: SessionCookie, allowed: CorsPolicy) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._allowed = allowed

    async def __call__(self, request: Request) -> LoggedIn:
        """The session. Raises Unauthenticated without one, Forbidden for a write from elsewhere."""
        refuse_cross_site_write(request, self._allowed)
        session_id = request.cookies.get(self._cookie.name)
        session = await self._sessions.find(session_id) if session_id else None
        if session_id is None or session is None:
            raise Unauthenticated("This route needs the cookie of a session that isn't over.")
        return LoggedIn(session_id, session)
