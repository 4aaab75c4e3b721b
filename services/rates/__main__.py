"""`python -m services.rates` starts the service; `--help` lists its settings."""

from services.rates.app import build
from services.rates.settings import RatesSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(RatesSettings, build)
