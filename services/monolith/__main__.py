"""`python -m services.monolith` starts the shop; `--help` lists its settings."""

from services.monolith.app import build
from services.monolith.settings import MonolithSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(MonolithSettings, build)
