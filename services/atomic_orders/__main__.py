"""`python -m services.atomic_orders` starts the service; `--help` lists its settings."""

from services.atomic_orders.app import build
from services.atomic_orders.settings import AtomicOrdersSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(AtomicOrdersSettings, build)
