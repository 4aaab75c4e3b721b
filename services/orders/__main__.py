"""`python -m services.orders` starts the service; `--help` lists its settings."""

from services.orders.app import build
from services.orders.settings import OrdersSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(OrdersSettings, build)
