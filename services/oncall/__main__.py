"""`python -m services.oncall` starts the service; `--help` lists its settings."""

from services.oncall.app import build
from services.oncall.settings import OncallSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(OncallSettings, build)
