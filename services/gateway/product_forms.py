"""A product's form in each version of the API, and how it's made of what the product service answers."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.versions import V1, V2, Version
from workbook_lib.kit.fields import ONE_LINE, WHOLE

__all__ = ["CATEGORY", "PAGES", "PRODUCTS", "SKU", "ContentV1", "ContentV2", "ProductV1", "ProductV2"]

SKU: Final = r"^[a-z0-9][a-z0-9-]{0,63}$"
CATEGORY: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"
Cents = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000), WHOLE]


class ContentV1(BaseModel):
    """What can be changed of a product, in version 1. The price is in cents of whatever currency it has."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=100), ONE_LINE]
    category: str = Field(pattern=CATEGORY)
    price_cents: Cents


class ProductV1(ContentV1):
    """A product, in version 1."""

    sku: str = Field(pattern=SKU)

    @classmethod
    def of(cls, product: Mapping[str, Any]) -> Self:
        """From what the product service answers."""
        return cls(**{name: product[name] for name in cls.model_fields})


class Price(BaseModel):
    """An amount of money."""

    model_config = ConfigDict(extra="forbid")

    amount_cents: Cents
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")


class ContentV2(BaseModel):
    """What can be changed of a product, in version 2."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=100), ONE_LINE]
    category: str = Field(pattern=CATEGORY)
    price: Price

    def content(self) -> dict[str, Any]:
        """As the product service reads it."""
        return {
            "name": self.name,
            "category": self.category,
            "price_cents": self.price.amount_cents,
            "currency": self.price.currency,
        }


class ProductV2(ContentV2):
    """A product, in version 2."""

    sku: str = Field(pattern=SKU)

    @classmethod
    def of(cls, product: Mapping[str, Any]) -> Self:
        """From what the product service answers."""
        price = Price(amount_cents=product["price_cents"], currency=product["currency"])
        return cls(sku=product["sku"], name=product["name"], category=product["category"], price=price)


class PageV1(BaseModel):
    """Some products; `next` is the cursor of the page behind it, null on the last one."""

    products: list[ProductV1]
    next: str | None

    @classmethod
    def of(cls, page: Mapping[str, Any]) -> Self:
        """From what the product service answers."""
        return cls(products=[ProductV1.of(each) for each in page["products"]], next=page["next"])


class PageV2(BaseModel):
    """Some products; `next` is the cursor of the page behind it, null on the last one."""

    products: list[ProductV2]
    next: str | None

    @classmethod
    def of(cls, page: Mapping[str, Any]) -> Self:
        """From what the product service answers."""
        return cls(products=[ProductV2.of(each) for each in page["products"]], next=page["next"])


PRODUCTS: Final[Mapping[Version, type[ProductV1] | type[ProductV2]]] = {V1: ProductV1, V2: ProductV2}
PAGES: Final[Mapping[Version, type[PageV1] | type[PageV2]]] = {V1: PageV1, V2: PageV2}
