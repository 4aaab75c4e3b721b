"""`python -m services.nlp_model` starts the service; `--help` lists its settings."""

from services.nlp_model.app import build
from services.nlp_model.settings import NlpModelSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(NlpModelSettings, build)
