"""A service's own description: its OpenAPI document, and the pages that show it without the internet."""

import importlib.util
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from workbook_lib.kit.errors import (
    ErrorBody,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    ServiceError,
    UnsupportedMediaType,
)

__all__ = ["DescribedApp", "error_answers"]

_ERROR_BODY: Final = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}}}
_FAULT: Final = {"description": "A fault of the service, or of what it depends on.", "content": _ERROR_BODY}
_FASTAPI_ERRORS: Final = ("HTTPValidationError", "ValidationError")
# The package whose files are served: its Swagger UI is a version that shows OpenAPI 3.1.
_ASSETS_PACKAGE: Final = "fastapi_offline"
_ASSETS: Final = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"})


def error_answers(*kinds: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """What a route gives as `responses=`: each error that it raises, by its status, in the one error body.

    What follows from a route's form is in the document without it: 400, 404, 413, 415 and faults.
    """
    return {
        kind.status: {"description": (kind.__doc__ or "").partition("\n")[0], "content": _ERROR_BODY}
        for kind in kinds
    }


class DescribedApp(FastAPI):
    """FastAPI with a document that says what the kit's edge answers, and with /docs from files of its own.

    Every address in the document and on the page is relative, so that both work behind any prefix of a proxy
    without being told of it.
    """

    def __init__(self, *, title: str, version: str, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(
            title=title,
            version=version,
            servers=[{"url": ".", "description": "the service that this document comes from"}],
            docs_url=None,
            redoc_url=None,
            **options,
        )

    def setup(self) -> None:
        """Add the routes of the document and of the page that shows it; FastAPI calls this once."""
        super().setup()
        self.add_route("/docs", self._page, include_in_schema=False)
        self.add_route("/docs/{asset}", _asset, include_in_schema=False)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; made when it is first asked for, and again after a route was added."""
        known = self.openapi_schema
        document = super().openapi()
        if document is not known:
            _describe(document)
        return document

    async def _page(self, _request: Request) -> Response:
        _asset_path("swagger-ui-bundle.js")
        return get_swagger_ui_html(
            title=self.title,
            openapi_url="openapi.json",
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="docs/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},  # it would ask a server on the internet
        )


async def _asset(request: Request) -> Response:
    return FileResponse(_asset_path(request.path_params["asset"]))


def _asset_path(name: str) -> Path:
    if name not in _ASSETS:
        raise NotFound(f"no file {name!r} belongs to this page")
    package = importlib.util.find_spec(_ASSETS_PACKAGE)
    if package is None or package.origin is None:
        raise NotFound("Swagger UI isn't installed (pip install fastapi-offline); see /openapi.json instead")
    return Path(package.origin).with_name("static") / name


def _describe(document: dict[str, Any]) -> None:
    """Put in what each operation answers besides its success, and name it by what a caller knows of it."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            # Not by the Python function's name: renaming that would change every generated client.
            words = [method, *(word.strip("{}").replace("-", "_") for word in path.split("/") if word)]
            operation["operationId"] = "_".join(words)
            operation.setdefault("tags", [words[1] if len(words) > 1 else "root"])
            operation["responses"] = _with_errors(path, operation)
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPI_ERRORS:
        schemas.pop(name, None)
    schemas[ErrorBody.__name__] = ErrorBody.model_json_schema()


def _with_errors(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    declared: dict[str, Any] = operation["responses"]
    # FastAPI announces 422 for whatever it validates; the edge answers 400.
    kinds: list[type[ServiceError]] = [InvalidRequest] if declared.pop("422", None) else []
    if "{" in path:
        kinds.append(NotFound)
    if "requestBody" in operation:
        kinds += [PayloadTooLarge, UnsupportedMediaType]
    implied = {str(status): answer for status, answer in error_answers(*kinds).items()}
    answers = {"5XX": _FAULT} | implied | declared
    return dict(sorted(answers.items()))


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: outside of a body there is no null, only the parameter's absence."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) == len(schema.get("anyOf", ())):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
