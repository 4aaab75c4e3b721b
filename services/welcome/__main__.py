"""`python -m services.welcome` starts the service; `--help` lists its settings."""

from services.welcome.app import WelcomeSettings, build
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(WelcomeSettings, build)
