"""Products in the shop's one database, by the rules of the product service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Select, insert, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.monolith.tables import ProductRow
from services.products.domain import Listing, Product, Sku, etag_of
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.preconditions import Preconditions
from workbook_lib.kit.storage import Database

__all__ = ["Catalogue", "Products"]


class Products:
    """The products of one transaction; `writing` keeps what is read from changing until it ends."""

    def __init__(self, session: AsyncSession, *, writing: bool) -> None:
        self._session = session
        self._writing = writing

    async def get(self, sku: Sku) -> Product:
        """The product named `sku`. Raises NotFound."""
        return (await self._row(sku)).product()

    async def page(self, listing: Listing) -> list[Product]:
        """What `listing` asks for, and one more if there is one. Raises InvalidRequest for its cursor."""
        return [row.product() for row in await self._session.scalars(_query(listing))]

    async def add(self, product: Product) -> None:
        """Store a new one. Raises Conflict when the SKU is taken."""
        try:
            await self._session.execute(insert(ProductRow).values(product.model_dump()))
        except IntegrityError as error:
            raise Conflict(f"there is a product {product.sku!r} already") from error

    async def put(self, product: Product, conditions: Preconditions) -> bool:
        """Create or replace it, and tell whether it is new. Raises PreconditionFailed."""
        row = await self._found(product.sku)
        conditions.check(etag_of(row.product()) if row else None)
        if row is None:
            await self.add(product)
            return True
        for name, value in product.model_dump().items():
            setattr(row, name, value)
        return False

    async def delete(self, sku: Sku, conditions: Preconditions) -> None:
        """Take it away. Raises NotFound or PreconditionFailed."""
        row = await self._found(sku)
        conditions.check(etag_of(row.product()) if row else None)
        await self._session.delete(row or await self._row(sku))

    async def _row(self, sku: Sku) -> ProductRow:
        row = await self._found(sku)
        if row is None:
            raise NotFound(f"no product {sku!r}")
        return row

    async def _found(self, sku: Sku) -> ProductRow | None:
        return await self._session.get(ProductRow, sku, with_for_update=self._writing)


class Catalogue:
    """Opens transactions on the products."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def open(self, *, writing: bool = False) -> AsyncIterator[Products]:
        """One transaction: kept at the end of the block, undone when the block raises."""
        async with self._database.session(read_only=not writing) as session:
            yield Products(session, writing=writing)


def _query(listing: Listing) -> Select[ProductRow]:
    column = getattr(ProductRow, listing.sort.field)
    key, query = tuple_(column, ProductRow.sku), select(ProductRow)
    if listing.category is not None:
        query = query.where(ProductRow.category == listing.category)
    if listing.min_price_cents is not None:
        query = query.where(ProductRow.price_cents >= listing.min_price_cents)
    if listing.max_price_cents is not None:
        query = query.where(ProductRow.price_cents <= listing.max_price_cents)
    if (after := listing.after) is not None:
        last = tuple_(after.value, after.sku)
        query = query.where(key < last if listing.sort.descending else key > last)
    order = (column.desc(), ProductRow.sku.desc()) if listing.sort.descending else (column, ProductRow.sku)
    return query.order_by(*order).limit(listing.limit + 1)
