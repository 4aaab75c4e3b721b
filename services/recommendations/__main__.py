"""`python -m services.recommendations` starts the service; `--help` lists its settings."""

from services.recommendations.app import build
from services.recommendations.settings import RecommendationsSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(RecommendationsSettings, build)
