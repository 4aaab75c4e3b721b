"""`python -m shop` starts the service; `--explain` tells its settings and where each comes from."""

from shop.app import ShopSettings, build
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(ShopSettings, build)
