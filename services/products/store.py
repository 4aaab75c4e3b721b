"""Where products are kept: what any store must do, and the one in the service's own database."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Select, insert, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.products.domain import Listing, Product, Sku, etag_of
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.preconditions import Preconditions
from workbook_lib.kit.storage import Database

__all__ = ["Base", "Catalogue", "ProductStore", "SqlCatalogue", "SqlProducts", "read_seed"]


class ProductStore(Protocol):
    """The products as one request sees them: what it reads and writes is one transaction."""

    async def get(self, sku: Sku) -> Product:
        """The product named `sku`. Raises NotFound."""
        ...

    async def page(self, listing: Listing) -> list[Product]:
        """What `listing` asks for, and one more if there is one. Raises InvalidRequest for its cursor."""
        ...

    async def add(self, product: Product) -> None:
        """Store a new one. Raises Conflict when the SKU is taken."""
        ...

    async def put(self, product: Product, conditions: Preconditions) -> bool:
        """Create or replace it, and tell whether it is new. Raises PreconditionFailed."""
        ...

    async def delete(self, sku: Sku, conditions: Preconditions) -> None:
        """Take it away. Raises NotFound or PreconditionFailed."""
        ...


class Catalogue(Protocol):
    """A place that has the products; a resource."""

    async def start(self) -> None:
        """Get ready, and fill an empty catalogue."""
        ...

    async def stop(self) -> None:
        """Give everything back."""
        ...

    def open(self, *, read_only: bool = False) -> AbstractAsyncContextManager[ProductStore]:
        """One unit of work: kept at the end of the block, undone when the block raises."""
        ...


class Base(DeclarativeBase):
    """The tables of this service."""


class ProductRow(Base):
    """A `Product`."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    category: Mapped[str] = mapped_column(index=True)
    price_cents: Mapped[int] = mapped_column(index=True)
    currency: Mapped[str]

    def product(self) -> Product:
        """The product that this row stores."""
        return Product(
            sku=self.sku,
            name=self.name,
            category=self.category,
            price_cents=self.price_cents,
            currency=self.currency,
        )


class SqlCatalogue:
    """Products in a database. As a resource it fills an empty one from `seed_file`."""

    def __init__(self, database: Database, seed_file: Path | None = None) -> None:
        self._database = database
        self._seed_file = seed_file

    async def start(self) -> None:
        """Load the seed when there are no products yet."""
        try:
            async with self._database.session() as session:
                if await session.scalar(select(ProductRow.sku).limit(1)) is None:
                    seed = [product.model_dump() for product in read_seed(self._seed_file)]
                    await session.execute(insert(ProductRow), seed) if seed else None
        except IntegrityError:
            pass  # Another instance on the same database was faster.

    async def stop(self) -> None:
        """Nothing is held open."""

    @asynccontextmanager
    async def open(self, *, read_only: bool = False) -> AsyncIterator[ProductStore]:
        """One session, which is one transaction."""
        async with self._database.session(read_only=read_only) as session:
            yield SqlProducts(session, for_update=not read_only)


class SqlProducts:
    """The products of one session. `for_update` keeps what is read from changing until the session ends.

    That makes the check of a precondition and the write that follows one step. SQLite knows no row locks and
    needs none: a session that isn't read-only is its one writer.
    """

    def __init__(self, session: AsyncSession, *, for_update: bool) -> None:
        self._session = session
        self._for_update = for_update

    async def get(self, sku: Sku) -> Product:
        """The product named `sku`. Raises NotFound."""
        row = await self._row(sku)
        if row is None:
            raise NotFound(f"no product {sku!r}")
        return row.product()

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
        row = await self._row(product.sku)
        conditions.check(etag_of(row.product()) if row else None)
        if row is None:
            await self.add(product)
            return True
        for name, value in product.model_dump().items():
            setattr(row, name, value)
        return False

    async def delete(self, sku: Sku, conditions: Preconditions) -> None:
        """Take it away. Raises NotFound or PreconditionFailed."""
        row = await self._row(sku)
        conditions.check(etag_of(row.product()) if row else None)
        if row is None:
            raise NotFound(f"no product {sku!r}")
        await self._session.delete(row)

    async def _row(self, sku: Sku) -> ProductRow | None:
        return await self._session.get(ProductRow, sku, with_for_update=self._for_update)


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


def read_seed(file: Path | None) -> list[Product]:
    """The products of a JSON file; none without one."""
    items = json.loads(file.read_text(encoding="utf-8")) if file else []
    return [Product.model_validate(item) for item in items]
