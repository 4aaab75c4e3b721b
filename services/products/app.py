"""The products' routes: they translate between HTTP and a store; what may be stored is in `domain`."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel

from services.products.domain import Content, Cursor, Listing, Patch, Product, Sku, etag_of, patched
from services.products.memory import MemoryCatalogue
from services.products.settings import ProductsSettings
from services.products.store import Base, Catalogue, SqlCatalogue
from services.products.units import Reads, UnitsOfWork, Writes
from workbook_lib.kit.errors import Conflict, PreconditionFailed, UnsupportedMediaType
from workbook_lib.kit.fields import ENTITY_TAGS
from workbook_lib.kit.preconditions import Preconditions
from workbook_lib.kit.service import Service, error_answers
from workbook_lib.kit.storage import Database

__all__ = ["build"]

MERGE_PATCH: Final = "application/merge-patch+json"
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The reader has it already."}}

SkuInPath = Annotated[Sku, Path()]


class ProductPage(BaseModel):
    """Some products; `next` is the cursor of the page behind it, null on the last one."""

    products: list[Product]
    next: str | None


def preconditions(
    if_match: Annotated[str, Header(pattern=ENTITY_TAGS)] = "",
    if_none_match: Annotated[str, Header(pattern=ENTITY_TAGS)] = "",
) -> Preconditions:
    """The request's If-Match and If-None-Match."""
    return Preconditions(if_match, if_none_match)


Conditions = Annotated[Preconditions, Depends(preconditions)]


def read_routes() -> APIRouter:
    """List and read products."""
    router = APIRouter(prefix="/products")

    @router.get("")
    async def list_products(
        store: Reads, listing: Annotated[Listing, Query()], request: Request, response: Response
    ) -> ProductPage:
        """One page. The next one's address is in `Link` too, relative to this page's (RFC 8288)."""
        found = await store.page(listing)
        shown = found[: listing.limit]
        if len(found) == len(shown):
            return ProductPage(products=shown, next=None)
        cursor = Cursor(listing.sort, *listing.sort.key(shown[-1])).encode()
        response.headers["Link"] = (
            f'<?{urlencode(dict(request.query_params) | {"cursor": cursor})}>; rel="next"'
        )
        return ProductPage(products=shown, next=cursor)

    @router.get("/{sku}", response_model=Product, responses=NOT_MODIFIED)
    async def get_product(
        store: Reads,
        sku: SkuInPath,
        response: Response,
        if_none_match: Annotated[str, Header(pattern=ENTITY_TAGS)] = "",
    ) -> Product | Response:
        """One product; 304 to a reader who sends its tag back in If-None-Match."""
        product = await store.get(sku)
        etag = etag_of(product)
        if Preconditions(if_none_match=if_none_match).names(etag):
            return Response(status_code=304, headers={"ETag": etag})
        response.headers["ETag"] = etag
        return product

    return router


def write_routes() -> APIRouter:
    """Create, replace, change and delete products."""
    router = APIRouter(prefix="/products")
    lost_update = error_answers(PreconditionFailed)

    @router.post("", status_code=201, responses=error_answers(Conflict))
    async def create_product(store: Writes, product: Product, response: Response) -> Product:
        """A new product; its place is in `Location`."""
        await store.add(product)
        return _answered(product, response, created=True)

    @router.put("/{sku}", responses=lost_update | {201: {"model": Product, "description": "It was created."}})
    async def put_product(
        store: Writes, sku: SkuInPath, content: Content, conditions: Conditions, response: Response
    ) -> Product:
        """Replaces the product, or creates it where there is none: afterwards it is as the body says."""
        product = Product(sku=sku, **content.model_dump())
        return _answered(product, response, created=await store.put(product, conditions))

    @router.patch("/{sku}", responses=lost_update, dependencies=[Depends(_merge_patch_only)])
    async def patch_product(
        store: Writes,
        sku: SkuInPath,
        patch: Annotated[Patch, Body(media_type=MERGE_PATCH)],
        conditions: Conditions,
        response: Response,
    ) -> Product:
        """Sets what a merge patch names, and leaves everything else (RFC 7396)."""
        product = patched(await store.get(sku), patch)
        await store.put(product, conditions)
        return _answered(product, response)

    @router.delete("/{sku}", status_code=204, responses=lost_update)
    async def delete_product(store: Writes, sku: SkuInPath, conditions: Conditions) -> None:
        """Takes the product away; asked again, there is nothing to take away: 404."""
        await store.delete(sku, conditions)

    return router


def _answered(product: Product, response: Response, *, created: bool = False) -> Product:
    response.headers["ETag"] = etag_of(product)
    if created:
        response.status_code = 201
        response.headers["Location"] = f"/products/{product.sku}"
    return product


async def _merge_patch_only(content_type: Annotated[str, Header(include_in_schema=False)] = "") -> None:
    """What application/json means as a patch is defined nowhere (RFC 5789, 2.2)."""
    if content_type.partition(";")[0].strip().lower() != MERGE_PATCH:
        raise UnsupportedMediaType(
            f"A patch is read as {MERGE_PATCH}.", headers={"Accept-Patch": MERGE_PATCH}
        )


def build(settings: ProductsSettings, catalogue: Catalogue | None = None) -> Service:
    """The service, not started. Where products are kept is decided here and nowhere else."""
    service = Service(settings, title="Products")
    if catalogue is None and settings.store == "memory":
        catalogue = MemoryCatalogue(settings.seed_file)
    elif catalogue is None:
        database = Database(settings.database_url, metadata=Base.metadata)
        service.add_resource(database)
        catalogue = SqlCatalogue(database, settings.seed_file)
    service.add_resource(catalogue)
    service.app.state.units = UnitsOfWork(catalogue, service.metrics.registry)
    service.app.include_router(read_routes())
    service.app.include_router(write_routes())
    return service
