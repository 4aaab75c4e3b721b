"""Products that are kept only while the service runs: for tests, and to show that the routes don't care."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.products.domain import Listing, Product, Sku, etag_of
from services.products.store import ProductStore, read_seed
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.preconditions import Preconditions

__all__ = ["MemoryCatalogue", "MemoryProducts"]


class MemoryCatalogue:
    """Products in a dictionary. One unit of work that writes runs at a time; what it raises undoes it."""

    def __init__(self, seed_file: Path | None = None) -> None:
        self._seed_file = seed_file
        self._products: dict[str, Product] = {}
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Load the seed when there are no products yet."""
        if not self._products:
            self._products = {product.sku: product for product in read_seed(self._seed_file)}

    async def stop(self) -> None:
        """Nothing is held open."""

    @asynccontextmanager
    async def open(self, *, read_only: bool = False) -> AsyncIterator[ProductStore]:
        """A copy to work on, kept when the block ends well."""
        if read_only:
            yield MemoryProducts(self._products)
            return
        async with self._writing:
            products = dict(self._products)
            yield MemoryProducts(products)
            self._products = products


class MemoryProducts:
    """The products of one unit of work."""

    def __init__(self, products: dict[str, Product]) -> None:
        self._products = products

    async def get(self, sku: Sku) -> Product:
        """The product named `sku`. Raises NotFound."""
        if sku not in self._products:
            raise NotFound(f"no product {sku!r}")
        return self._products[sku]

    async def page(self, listing: Listing) -> list[Product]:
        """What `listing` asks for, and one more if there is one. Raises InvalidRequest for its cursor."""
        sort, after = listing.sort, listing.after
        found = sorted(
            filter(listing.selects, self._products.values()), key=sort.key, reverse=sort.descending
        )
        if after is not None:
            last = (after.value, after.sku)
            found = [
                product
                for product in found
                if (sort.key(product) < last if sort.descending else sort.key(product) > last)
            ]
        return found[: listing.limit + 1]

    async def add(self, product: Product) -> None:
        """Store a new one. Raises Conflict when the SKU is taken."""
        if product.sku in self._products:
            raise Conflict(f"there is a product {product.sku!r} already")
        self._products[product.sku] = product

    async def put(self, product: Product, conditions: Preconditions) -> bool:
        """Create or replace it, and tell whether it is new. Raises PreconditionFailed."""
        known = self._products.get(product.sku)
        conditions.check(etag_of(known) if known else None)
        self._products[product.sku] = product
        return known is None

    async def delete(self, sku: Sku, conditions: Preconditions) -> None:
        """Take it away. Raises NotFound or PreconditionFailed."""
        known = self._products.get(sku)
        conditions.check(etag_of(known) if known else None)
        del self._products[(await self.get(sku)).sku]
