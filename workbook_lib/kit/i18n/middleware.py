"""A request's language: found when something asks for it, and told in the answer's headers."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbook_lib.kit.i18n.catalogues import Catalogues, Translator

__all__ = ["Languages", "translator_of"]

_KEY = "workbook.language"


class Languages:
    """ASGI middleware: `translator_of(request)` finds the caller's language, and errors are told in it.

    An answer for which somebody asked has Content-Language and Vary; others stay the same for everybody.
    """

    def __init__(self, app: ASGIApp, catalogues: Catalogues) -> None:
        self._app = app
        self._catalogues = catalogues

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        language = _Language(self._catalogues, scope)
        scope[_KEY] = language
        scope["workbook.localize"] = language.localize

        async def localized_send(message: Message) -> None:
            if message["type"].endswith("http.response.start") and language.shown is not None:
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["Content-Language"] = language.shown
                if "accept-language" not in headers.get("vary", "").lower():
                    headers.add_vary_header("Accept-Language")
            await send(message)

        await self._app(scope, receive, localized_send)


class _Language:
    """One request's language."""

    def __init__(self, catalogues: Catalogues, scope: Scope) -> None:
        self.shown: str | None = None
        self._catalogues = catalogues
        self._scope = scope

    def translator(self) -> Translator:
        header = ",".join(Headers(scope=self._scope).getlist("accept-language"))
        translator = self._catalogues.negotiate(header)
        self.shown = translator.tag
        return translator

    def localize(self, message: str) -> str:
        translation = self.translator().known(message)
        if translation is None:
            self.shown = self._catalogues.default
        return translation or message


def translator_of(connection: HTTPConnection) -> Translator:
    """The caller's language; usable as a FastAPI dependency. The service must have `Languages`."""
    language: _Language = connection.scope[_KEY]
    return language.translator()
