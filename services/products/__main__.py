"""`python -m services.products` starts the service; `--help` lists its settings."""

from services.products.app import build
from services.products.settings import ProductsSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(ProductsSettings, build)
