"""The products under /api, in two versions: v1's price is a number of cents, v2's says of which currency.

The product service knows no versions. Here its products are put into a version's form, and back.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import httpx2
from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.product_forms import (
    CATEGORY,
    PAGES,
    PRODUCTS,
    SKU,
    ContentV1,
    ContentV2,
    ProductV1,
    ProductV2,
)
from services.gateway.versions import UNKNOWN_VERSION, V1, V2, VERSIONS, Form, Version, negotiated
from workbook_lib.kit.errors import Conflict, NotAcceptable, NotFound, PreconditionFailed
from workbook_lib.kit.fields import ENTITY_TAGS
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.service import error_answers

__all__ = ["product_routes"]

Sku = Annotated[str, Path(pattern=SKU)]
Tags = Annotated[str, Header(pattern=ENTITY_TAGS)]


class Listing(BaseModel):
    """Which products, in which order, and how many at a time; the product service holds the rules."""

    model_config = ConfigDict(extra="forbid")

    category: str | None = Field(default=None, pattern=CATEGORY)
    min_price_cents: int | None = Field(default=None, ge=0, le=1_000_000_000)
    max_price_cents: int | None = Field(default=None, ge=0, le=1_000_000_000)
    sort: Literal["sku", "-sku", "name", "-name", "price_cents", "-price_cents"] = "sku"
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=1000, description="`next` of the page before")


_HAS_IT: dict[int | str, dict[str, Any]] = {304: {"description": "The reader has it already."}}
_LOST_UPDATE = error_answers(PreconditionFailed)


class _Products:
    """The product service, seen in the forms of a version."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def page(self, listing: Listing, form: Form) -> Response:
        params = listing.model_dump(exclude_none=True, exclude_unset=True)
        answer = await self._client.get("/products", params=params)
        return _response(answer, form, PAGES[form.version].of(answer.json()))

    async def one(self, method: str, path: str, form: Form, **options: Any) -> Response:  # noqa: ANN401
        answer = await self._client.request(method, path, **options)
        body = PRODUCTS[form.version].of(answer.json()) if answer.content else None
        response = _response(answer, form, body)
        if answer.status_code == 201:
            response.headers["Location"] = f"/api/{form.version.name}/products/{answer.json()['sku']}"
        return response


def _response(answer: httpx2.Response, form: Form, body: BaseModel | None) -> Response:
    """The answer in a version's form; its tag is this form's alone, as a strong tag has to be."""
    headers = dict(form.version.headers())
    if "etag" in answer.headers:
        headers["ETag"] = answer.headers["etag"].replace('"', f'"{form.version.name}.', 1)
    if "link" in answer.headers:  # relative, so it's right here as well
        headers["Link"] = ", ".join(filter(None, (answer.headers["link"], headers.get("Link"))))
    content = None if body is None else body.model_dump_json()
    return Response(content, answer.status_code, headers, form.media_type if body else None)


def _conditions(version: Version, *, if_match: str = "", if_none_match: str = "") -> dict[str, str]:
    """The caller's conditions with the tags of the product service. Tags of another form match nothing."""
    given = {"If-Match": if_match, "If-None-Match": if_none_match}
    return {name: tags.replace(f'"{version.name}.', '"') for name, tags in given.items() if tags}


def product_routes(client: HttpClient) -> APIRouter:
    """Both versions by path, and both by Accept."""
    products = _Products(client)
    router = APIRouter(prefix="/api")
    for version in VERSIONS:
        group = APIRouter(prefix=f"/{version.name}/products", tags=[f"products {version.name}"])
        _add_reading(group, products, version)
        (_add_writing_v1 if version is V1 else _add_writing_v2)(group, products)
        router.include_router(group, deprecated=version.deprecated is not None or None)
    router.include_router(_negotiated_routes(products))

    @router.api_route(
        f"/{{version:{UNKNOWN_VERSION}}}/{{rest:path}}",
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        include_in_schema=False,
    )
    async def unknown(version: str, rest: str) -> None:
        served = [version.name for version in VERSIONS]
        raise NotFound(
            f"There is no version {version} of /{rest}; there are {' and '.join(served)}.",
            details={"versions": served},
        )

    return router


def _add_reading(router: APIRouter, products: _Products, version: Version) -> None:
    form = Form("application/json", version)

    @router.get("", response_model=PAGES[version])
    async def list_products(listing: Annotated[Listing, Query()]) -> Response:
        return await products.page(listing, form)

    @router.get("/{sku}", response_model=PRODUCTS[version], responses=_HAS_IT)
    async def get_product(sku: Sku, if_none_match: Tags = "") -> Response:
        headers = _conditions(version, if_none_match=if_none_match)
        return await products.one("GET", f"/products/{sku}", form, headers=headers)

    @router.delete("/{sku}", status_code=204, responses=_LOST_UPDATE)
    async def delete_product(sku: Sku, if_match: Tags = "") -> Response:
        headers = _conditions(version, if_match=if_match)
        return await products.one("DELETE", f"/products/{sku}", form, headers=headers)


def _add_writing_v1(router: APIRouter, products: _Products) -> None:
    form = Form("application/json", V1)

    @router.post("", status_code=201, response_model=ProductV1, responses=error_answers(Conflict))
    async def create_product(product: ProductV1) -> Response:
        return await products.one("POST", "/products", form, json=product.model_dump())

    @router.put("/{sku}", response_model=ProductV1, responses=_LOST_UPDATE)
    async def put_product(sku: Sku, content: ContentV1, if_match: Tags = "") -> Response:
        """Replaces what version 1 knows of a product. The currency, which it doesn't know, has to survive."""
        headers = _conditions(V1, if_match=if_match) | {"Content-Type": "application/merge-patch+json"}
        path = f"/products/{sku}"
        return await products.one("PATCH", path, form, json=content.model_dump(), headers=headers)


def _add_writing_v2(router: APIRouter, products: _Products) -> None:
    form = Form("application/json", V2)

    @router.post("", status_code=201, response_model=ProductV2, responses=error_answers(Conflict))
    async def create_product(product: ProductV2) -> Response:
        return await products.one("POST", "/products", form, json={"sku": product.sku, **product.content()})

    @router.put(
        "/{sku}",
        response_model=ProductV2,
        responses=_LOST_UPDATE
        | error_answers(Conflict)
        | {201: {"model": ProductV2, "description": "It was created."}},
    )
    async def put_product(
        sku: Sku, content: ContentV2, if_match: Tags = "", if_none_match: Tags = ""
    ) -> Response:
        """Replaces a product, or creates it."""
        headers = _conditions(V2, if_match=if_match, if_none_match=if_none_match)
        return await products.one("PUT", f"/products/{sku}", form, json=content.content(), headers=headers)


def _negotiated_routes(products: _Products) -> APIRouter:
    router = APIRouter(prefix="/products", tags=["products by Accept"])
    not_acceptable = error_answers(NotAcceptable)

    def forms(models: Mapping[Version, Any]) -> dict[int | str, dict[str, Any]]:
        schemas = {
            version: {"$ref": f"#/components/schemas/{models[version].__name__}"} for version in VERSIONS
        }
        content = {version.media_type: {"schema": schemas[version]} for version in VERSIONS}
        return {200: {"content": content | {"application/json": {"schema": schemas[V1]}}}, **not_acceptable}

    @router.get("", response_class=Response, responses=forms(PAGES))
    async def list_products(
        listing: Annotated[Listing, Query()], accept: Annotated[str, Header()] = "*/*"
    ) -> Response:
        """Some products in the form that Accept names; version 1 where it names none."""
        return _varying(await products.page(listing, negotiated(accept)))

    @router.get("/{sku}", response_class=Response, responses=forms(PRODUCTS) | _HAS_IT)
    async def get_product(
        sku: Sku, accept: Annotated[str, Header()] = "*/*", if_none_match: Tags = ""
    ) -> Response:
        """One product in the form that Accept names; version 1 where it names none."""
        form = negotiated(accept)
        headers = _conditions(form.version, if_none_match=if_none_match)
        return _varying(await products.one("GET", f"/products/{sku}", form, headers=headers))

    return router


def _varying(response: Response) -> Response:
    """A cache keeps one answer for each Accept."""
    response.headers["Vary"] = "Accept"
    return response
