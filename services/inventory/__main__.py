"""`python -m services.inventory` starts the service; `--help` lists its settings."""

from services.inventory.app import build
from services.inventory.settings import InventorySettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(InventorySettings, build)
