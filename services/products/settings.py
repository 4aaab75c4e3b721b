"""Settings of the products service."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import WithDatabase

__all__ = ["ProductsSettings"]

_SEED = Path(__file__).parents[2] / "data" / "products.json"


class ProductsSettings(WithDatabase):
    """Settings of the products service."""

    model_config = SettingsConfigDict(env_prefix="PRODUCTS_")

    service: str = names.PRODUCTS
    port: int = 8086
    store: Literal["sql", "memory"] = Field(
        default="sql", description="where products are kept: in the database, or only while the service runs"
    )
    seed_file: Path | None = Field(
        default=_SEED, description="JSON list of products that fills an empty catalogue"
    )
