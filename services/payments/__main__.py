"""`python -m services.payments` starts the service; `--help` lists its settings."""

from services.payments.app import build
from services.payments.settings import PaymentsSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(PaymentsSettings, build)
