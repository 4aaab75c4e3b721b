"""`python -m services.reports` starts the service; `--help` lists its settings."""

from services.reports.app import build
from services.reports.settings import ReportsSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(ReportsSettings, build)
