"""The shop's products over HTTP, as the product service serves them."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel

from services.monolith.catalogue import Catalogue
from services.products.domain import Content, Cursor, Listing, Patch, Product, Sku, etag_of, patched
from workbook_lib.kit.errors import Conflict, PreconditionFailed, UnsupportedMediaType
from workbook_lib.kit.fields import ENTITY_TAGS
from workbook_lib.kit.preconditions import Preconditions
from workbook_lib.kit.service import error_answers

__all__ = ["product_reading", "product_writing"]

_MERGE_PATCH: Final = "application/merge-patch+json"
_NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The reader has it already."}}

SkuInPath = Annotated[Sku, Path()]
Tags = Annotated[str, Header(pattern=ENTITY_TAGS)]


class ProductPage(BaseModel):
    """Some products; `next` is the cursor of the page behind it, null on the last one."""

    products: list[Product]
    next: str | None


def _preconditions(if_match: Tags = "", if_none_match: Tags = "") -> Preconditions:
    return Preconditions(if_match, if_none_match)


Conditions = Annotated[Preconditions, Depends(_preconditions)]


def product_reading(catalogue: Catalogue) -> APIRouter:
    """List and read products."""
    router = APIRouter(prefix="/products")

    @router.get("")
    async def list_products(
        listing: Annotated[Listing, Query()], request: Request, response: Response
    ) -> ProductPage:
        """One page. The next one's address is in `Link` too, relative to this page's (RFC 8288)."""
        async with catalogue.open() as products:
            found = await products.page(listing)
        shown = found[: listing.limit]
        if len(found) == len(shown):
            return ProductPage(products=shown, next=None)
        cursor = Cursor(listing.sort, *listing.sort.key(shown[-1])).encode()
        query = urlencode(dict(request.query_params) | {"cursor": cursor})
        response.headers["Link"] = f'<?{query}>; rel="next"'
        return ProductPage(products=shown, next=cursor)

    @router.get("/{sku}", response_model=Product, responses=_NOT_MODIFIED)
    async def get_product(sku: SkuInPath, response: Response, if_none_match: Tags = "") -> Product | Response:
        """One product; 304 to a reader who sends its tag back in If-None-Match."""
        async with catalogue.open() as products:
            product = await products.get(sku)
        etag = etag_of(product)
        if Preconditions(if_none_match=if_none_match).names(etag):
            return Response(status_code=304, headers={"ETag": etag})
        response.headers["ETag"] = etag
        return product

    return router


def product_writing(catalogue: Catalogue) -> APIRouter:
    """Create, replace, change and delete products."""
    router = APIRouter(prefix="/products")
    lost_update = error_answers(PreconditionFailed)

    @router.post("", status_code=201, responses=error_answers(Conflict))
    async def create_product(product: Product, response: Response) -> Product:
        async with catalogue.open(writing=True) as products:
            await products.add(product)
        return _answered(product, response, created=True)

    @router.put("/{sku}", responses=lost_update | {201: {"model": Product, "description": "It was created."}})
    async def put_product(sku: SkuInPath, content: Content, when: Conditions, response: Response) -> Product:
        """Replaces the product, or creates it where there is none: afterwards it is as the body says."""
        product = Product(sku=sku, **content.model_dump())
        async with catalogue.open(writing=True) as products:
            created = await products.put(product, when)
        return _answered(product, response, created=created)

    @router.patch("/{sku}", responses=lost_update, dependencies=[Depends(_merge_patch_only)])
    async def patch_product(
        sku: SkuInPath,
        patch: Annotated[Patch, Body(media_type=_MERGE_PATCH)],
        conditions: Conditions,
        response: Response,
    ) -> Product:
        """Sets what a merge patch names, and leaves everything else (RFC 7396)."""
        async with catalogue.open(writing=True) as products:
            product = patched(await products.get(sku), patch)
            await products.put(product, conditions)
        return _answered(product, response)

    @router.delete("/{sku}", status_code=204, responses=lost_update)
    async def delete_product(sku: SkuInPath, conditions: Conditions) -> None:
        """Takes the product away; asked again, there is nothing to take away: 404."""
        async with catalogue.open(writing=True) as products:
            await products.delete(sku, conditions)

    return router


def _answered(product: Product, response: Response, *, created: bool = False) -> Product:
    response.headers["ETag"] = etag_of(product)
    if created:
        response.status_code = 201
        response.headers["Location"] = f"/products/{product.sku}"
    return product


async def _merge_patch_only(content_type: Annotated[str, Header(include_in_schema=False)] = "") -> None:
    """What application/json means as a patch is defined nowhere (RFC 5789, 2.2)."""
    if content_type.partition(";")[0].strip().lower() != _MERGE_PATCH:
        raise UnsupportedMediaType(
            f"A patch is read as {_MERGE_PATCH}.", headers={"Accept-Patch": _MERGE_PATCH}
        )
