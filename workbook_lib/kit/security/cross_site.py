"""Cross-site request forgery: a page elsewhere makes its visitor's browser send a request, cookie and all."""

from urllib.parse import urlsplit

from starlette.requests import Request

from workbook_lib.kit.errors import Forbidden
from workbook_lib.kit.security.cors import CorsPolicy

__all__ = ["refuse_cross_site_write"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_cross_site_write(request: Request, allowed: CorsPolicy) -> None:
    """Raise Forbidden for a write that a page of another origin, not an allowed one, had a browser send.

    Browsers say where a request comes from in headers that no page can set: Sec-Fetch-Site, and Origin where
    that is missing. A caller that sends neither is no browser and holds nobody else's cookie. After Go's
    `http.CrossOriginProtection`; OWASP's cheat sheet on CSRF calls it Fetch Metadata. It holds for writes, so
    no GET may change anything.
    """
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    trusted = origin is not None and allowed.credentials and allowed.allows(origin)
    if not (own or trusted):
        raise Forbidden("Writes with a session cookie aren't taken from pages of another origin.")
