"""`python -m services.users` starts the service; `--help` lists its settings."""

from services.users.app import build
from services.users.settings import UsersSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(UsersSettings, build)
