"""`python -m services.chatbot` starts the service; `--help` lists its settings."""

from services.chatbot.app import build
from services.chatbot.settings import ChatbotSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(ChatbotSettings, build)
