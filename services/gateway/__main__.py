"""`python -m services.gateway` starts the service; `--help` lists its settings."""

from services.gateway.app import build
from services.gateway.settings import GatewaySettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(GatewaySettings, build)
