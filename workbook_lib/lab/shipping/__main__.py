"""`python -m workbook_lib.lab.shipping` ships a folder's logs; `--help` lists its settings."""

from workbook_lib.kit.service import main
from workbook_lib.lab.shipping.shipper import ShipperSettings, build

if __name__ == "__main__":
    main(ShipperSettings, build)
