"""`python -m services.analytics` starts the service; `--help` lists its settings."""

from services.analytics.app import build
from services.analytics.settings import AnalyticsSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(AnalyticsSettings, build)
