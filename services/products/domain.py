"""Rules of a product: what may be stored, and in which order it is listed. No I/O, no web code."""

import base64
import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from workbook_lib.kit.errors import InvalidRequest
from workbook_lib.kit.fields import ONE_LINE, WHOLE

__all__ = ["Content", "Cursor", "Listing", "Patch", "Product", "Sku", "Sort", "etag_of", "patched"]

Sku = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Name = Annotated[str, StringConstraints(max_length=100), ONE_LINE]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
MAX_CENTS = 1_000_000_000
Cents = Annotated[int, Field(ge=0, le=MAX_CENTS)]  # in a query, where all is text
PriceCents = Annotated[
    int, Field(strict=True, ge=0, le=MAX_CENTS, description="in hundredths of the currency"), WHOLE
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217")]


class Content(BaseModel):
    """All that can be changed of a product. An unknown field is refused: it may be a misspelt one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    category: Category
    price_cents: PriceCents
    currency: Currency = "EUR"


class Product(Content):
    """A product; `sku` names it for good."""

    sku: Sku


class Patch(BaseModel):
    """A JSON merge patch (RFC 7396) of a product: what it names is set, null goes back to the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The defaults are never read, and so in no document: what isn't named stays as it is.
    name: Name = Field(default_factory=str)
    category: Category = Field(default_factory=str)
    price_cents: PriceCents = Field(default_factory=int)
    currency: Currency | None = None


def etag_of(product: Product) -> str:
    """The strong entity tag of a product: another one for each content, so that it tells what was read."""
    return f'"{hashlib.sha256(product.model_dump_json().encode()).hexdigest()[:16]}"'


def patched(product: Product, patch: Patch) -> Product:
    """`product` with what `patch` names."""
    merged = product.model_dump() | patch.model_dump(exclude_unset=True)
    return Product(**{name: value for name, value in merged.items() if value is not None})


class Sort(StrEnum):
    """Orders of a list; - is descending. Equals follow their SKU."""

    SKU = "sku"
    SKU_DOWN = "-sku"
    NAME = "name"
    NAME_DOWN = "-name"
    PRICE = "price_cents"
    PRICE_DOWN = "-price_cents"

    @property
    def field(self) -> str:
        """The field of a product that decides."""
        return self.value.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the highest comes first."""
        return self.value.startswith("-")

    def key(self, product: Product) -> tuple[str | int, str]:
        """What `product` is ordered by."""
        return getattr(product, self.field), product.sku


class Cursor(NamedTuple):
    """Where a page ended: the order, and the key of the last product shown.

    It names a product and not a number of products: whatever is inserted or deleted before it shifts nothing.
    """

    sort: Sort
    value: str | int
    sku: Sku

    def encode(self) -> str:
        """As callers carry it: opaque, so that its content may change."""
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, sort: Sort) -> Self:
        """The cursor of a list in the order `sort`. Raises InvalidRequest for any other text."""
        try:
            cursor = _CURSOR.validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            _KEYS[sort.field].validate_python(cursor.value, strict=True)
        except ValueError:  # pydantic's and binascii's errors are ValueErrors
            cursor = None
        if cursor is None or cursor.sort is not sort:
            message = f"Input should be a cursor of this list, sorted by {sort}"
            raise InvalidRequest(
                "The request isn't valid.", details=[{"field": "cursor", "message": message}]
            )
        return cls(*cursor)


_CURSOR = TypeAdapter(Cursor)
_KEYS: dict[str, TypeAdapter[Any]] = {
    "sku": TypeAdapter(Sku),
    "name": TypeAdapter(Name),
    "price_cents": TypeAdapter(Cents),
}


class Listing(BaseModel):
    """Which products, in which order, and how many at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: Category | None = None
    min_price_cents: Cents | None = None
    max_price_cents: Cents | None = None
    sort: Sort = Sort.SKU
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=1000, description="`next` of the page before")

    @property
    def after(self) -> Cursor | None:
        """Where the page begins; None for the first. Raises InvalidRequest."""
        return None if self.cursor is None else Cursor.decode(self.cursor, self.sort)

    def selects(self, product: Product) -> bool:
        """Whether `product` is among those asked for."""
        low, high = self.min_price_cents, self.max_price_cents
        return (
            self.category in (None, product.category)
            and (low is None or low <= product.price_cents)
            and (high is None or product.price_cents <= high)
        )
