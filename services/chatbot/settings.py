"""Settings of the chatbot."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.breaker import BreakerSettings
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["ChatbotSettings"]


class ChatbotSettings(ServiceSettings):
    """Settings of the chatbot. The addresses count only without Consul."""

    model_config = SettingsConfigDict(env_prefix="CHATBOT_")

    service: str = names.CHATBOT
    port: int = 8099
    nlp_url: str = Field(
        default="127.0.0.1:50056", description="the language model's gRPC address, without Consul"
    )
    nlp_timeout_seconds: float = Field(default=1.0, gt=0, description="deadline of a question to the model")
    nlp_slow_seconds: float = Field(
        default=0.25, gt=0, description="later than this an answer counts as slow, when versions are compared"
    )
    nlp_retries: int = Field(default=1, ge=0, description="how often another instance is asked instead")
    users_url: str = Field(default="127.0.0.1:50051", description="users' gRPC address, without Consul")
    users_timeout_seconds: float = Field(default=0.5, gt=0, description="deadline of a question to users")
    breaker: BreakerSettings = Field(
        default=BreakerSettings(), description="of each that it asks and can do without, a JSON object"
    )
    message_bytes: int = Field(default=4096, ge=1, description="longest WebSocket message")
